import Kit

/// What is around every page: the menu, the search, the project and the user.
enum Layout {
  private struct Item {
    let href: String
    let title: String
    let icon: String
    /// What belongs together stands together.
    var group = ""
  }

  private static let titles: [Panel.Area: String] = [
    .project: "Project", .admin: "Administration", .identity: "Identity",
  ]

  private static func items(_ area: Panel.Area, _ panels: [Panel], isAdmin: Bool) -> [Item] {
    // What the identity API tells to administrators only is not offered to others.
    let isOpen = area != .identity || isAdmin
    let own = panels.filter { $0.area == area && (isOpen || $0.id == "application-credentials") }.map {
      Item(href: $0.address, title: $0.title, icon: $0.icon, group: $0.service == "image" ? "compute" : $0.service)
    }
    return (extra[area] ?? []) + own + (last[area] ?? [])
  }

  /// Pages that are no panels, by area, and after which panel's id they stand in the menu.
  private static let extra: [Panel.Area: [Item]] = [
    .project: [Item(href: "/project/overview", title: "Overview", icon: "gauge")],
    .admin: [Item(href: "/admin/overview", title: "Overview", icon: "gauge")],
  ]
  private static let last: [Panel.Area: [Item]] = [
    .project: [
      Item(href: "/project/topology", title: "Network topology", icon: "topology"),
      Item(href: "/project/access", title: "API access", icon: "terminal"),
    ],
    .admin: [Item(href: "/admin/logs", title: "Logs", icon: "log")],
  ]

  static func view(_ visit: Visit, title: String, active: String, panels: [Panel]) -> View {
    let session = visit.session
    var view: View = [
      "title": title, "lang": visit.language.rawValue, "theme": visit.theme, "zone": visit.preferences.zone,
      "stylesheet": Assets.address("style.css"),
      "script": Assets.address("app.js"), "csrf": session.csrf, "here": visit.address,
      "icon_search": Icons.svg("search"),
      "icon_mark": Icons.mark, "icon_menu": Icons.svg("menu"), "icon_user": Icons.svg("user"),
      "icon_project": Icons.svg("project"), "favicon": Assets.address("icon.svg"),
      "languages": Language.allCases.map {
        ["id": $0.rawValue, "name": $0.name, "chosen": $0 == visit.language] as View
      },
      "themes": [("auto", "As the system"), ("light", "Light"), ("dark", "Dark")].map {
        ["id": $0.0, "name": visit.t($0.1), "chosen": $0.0 == visit.theme] as View
      },
    ]
    if let flash = visit.flash { view["flash"] = ["text": flash.text, "tone": flash.isError ? "bad" : "good"] as View }
    guard session.isSignedIn else { return view }
    view["projects"] = visit.projects.map {
      ["id": $0.text("id"), "name": $0.text("name"), "chosen": $0.text("id") == session.projectID] as View
    }
    view["who"] = ["name": session.userName, "domain": session.domainName, "project": session.projectName] as View
    let areas = Panel.Area.allCases.filter { $0 == .project || session.isAdmin || $0 == .identity }
    let here = areas.first { active.hasPrefix("/\($0.rawValue)/") } ?? .project
    view["menu"] = areas.map { area -> View in
      let items = items(area, panels, isAdmin: session.isAdmin)
      return [
        "title": visit.t(titles[area] ?? ""), "open": area == here,
        "items": items.enumerated().map { index, item -> View in
          [
            "href": item.href, "title": visit.t(item.title), "icon": Icons.svg(item.icon),
            "active": item.href == active, "gap": index > 0 && items[index - 1].group != item.group,
          ]
        },
      ]
    }
    view["search"] = visit.path.first == "search" ? visit.query["q"] ?? "" : ""
    return view
  }
}

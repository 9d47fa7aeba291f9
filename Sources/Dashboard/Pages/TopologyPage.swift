import API
import Kit

/// The project's networks as a picture: the outside above, routers below it, networks as bars, and instances under the
/// networks that they are on.
struct TopologyPage {
  let service: DashboardService
  let visit: Visit

  func respond() async throws -> Reply {
    let map = try await picture()
    return service.page(
      "topology", visit, title: visit.t("Network topology"), active: "/project/topology",
      ["svg": map ?? "", "isEmpty": map == nil])
  }

  /// The picture as a file, with its colours in it.
  func export() async throws -> Reply {
    let map = try await picture(isFile: true) ?? "<svg xmlns='http://www.w3.org/2000/svg'/>"
    return Reply(
      200, .bytes(Array(map.utf8), contentType: "image/svg+xml"),
      headers: ["Content-Disposition": "attachment; filename=\"topology.svg\""])
  }

  private func picture(isFile: Bool = false) async throws -> String? {
    let client = visit.client
    let project = visit.session.projectID
    let networks = try await client.get("network", "/v2.0/networks").list("networks").filter {
      $0.text("project_id") == project || $0["shared"]?.bool == true || $0["router:external"]?.bool == true
    }
    guard !networks.isEmpty else { return nil }
    let plan = TopologyPlan(
      networks: networks, subnets: try await client.get("network", "/v2.0/subnets").list("subnets"),
      routers: try await client.get("network", "/v2.0/routers", [("project_id", project)]).list("routers"),
      ports: try await client.get("network", "/v2.0/ports", [("project_id", project)]).list("ports"),
      floating: try await client.get("network", "/v2.0/floatingips", [("project_id", project)]).list("floatingips"),
      servers: try await client.get("compute", "/v2.1/servers/detail").list("servers"))
    return TopologyDrawing(plan: plan, isFile: isFile).svg()
  }
}

/// What is where in the picture.
struct TopologyPlan {
  struct Box {
    let id: String
    let title: String
    let lines: [String]
    let tone: String
    let href: String
    let x: Int
    let y: Int
  }
  struct Bar {
    let title: String
    let line: String
    let href: String
    let y: Int
    let isOutside: Bool
  }
  struct Link {
    let x: Int
    let from: Int
    let to: Int
    let label: String
  }

  static let (boxWidth, boxHeight, gap, rowHeight, barHeight) = (190, 64, 24, 118, 34)
  private(set) var bars: [Bar] = []
  private(set) var boxes: [Box] = []
  private(set) var links: [Link] = []
  private(set) var width = 0
  private(set) var height = 0

  private let subnets: [JSONValue]
  private let ports: [String: [JSONValue]]
  /// Floating addresses by the port that they lead to.
  private let floating: [String: String]
  private var barY: [String: Int] = [:]

  init(
    networks: [JSONValue], subnets: [JSONValue], routers: [JSONValue], ports: [JSONValue], floating: [JSONValue],
    servers: [JSONValue]
  ) {
    self.subnets = subnets
    self.ports = Dictionary(grouping: ports) { $0.text("device_id") }
    self.floating = Dictionary(floating.map { ($0.text("port_id"), $0.text("floating_ip_address")) }) { first, _ in
      first
    }
    var y = 16
    for network in networks where network["router:external"]?.bool == true {
      bar(network, isOutside: true, at: &y)
      y += 8
    }
    let routerY = y + 40
    if !routers.isEmpty { y = routerY + Self.boxHeight + 44 }
    let inside = networks.filter { $0["router:external"]?.bool != true }
    let rows = bars(inside, servers, at: &y)
    for (column, router) in routers.enumerated() { place(router: router, column: column, at: routerY) }
    for row in rows {
      for (column, server) in row.servers.enumerated() { place(server: server, column: column, at: row.y) }
    }
    let widest = max(routers.count, rows.map(\.servers.count).max() ?? 0)
    width = max(720, 40 + widest * (Self.boxWidth + Self.gap))
    height = y + 10
  }

  private mutating func bar(_ network: JSONValue, isOutside: Bool, at y: inout Int) {
    let id = network.text("id")
    let cidrs = subnets.filter { $0.text("network_id") == id }.map { $0.text("cidr") }
    bars.append(
      Bar(
        title: network.text("name").isEmpty ? id : network.text("name"), line: cidrs.joined(separator: "  "),
        href: "/project/networks/" + Percent.encode(id), y: y, isOutside: isOutside))
    barY[id] = y
    y += Self.barHeight
  }

  /// Bars of the inside networks, with room below each for the instances that are on it and on none before.
  private mutating func bars(_ networks: [JSONValue], _ servers: [JSONValue], at y: inout Int) -> [(
    y: Int, servers: [JSONValue]
  )] {
    var placed: Set<String> = []
    var rows: [(y: Int, servers: [JSONValue])] = []
    for network in networks {
      bar(network, isOutside: false, at: &y)
      let here = servers.filter { server in
        !placed.contains(server.text("id"))
          && (ports[server.text("id")] ?? []).contains { $0.text("network_id") == network.text("id") }
      }
      placed.formUnion(here.map { $0.text("id") })
      if !here.isEmpty {
        rows.append((y + 44, here))
        y += 44 + Self.boxHeight
      }
      y += 30
    }
    return rows
  }

  private mutating func place(router: JSONValue, column: Int, at y: Int) {
    let external = router["external_gateway_info"] ?? .null
    let outside = external.text("network_id")
    var ends = (ports[router.text("id")] ?? []).filter { $0.text("network_id") != outside }.map { port in
      (port.text("network_id"), port.list("fixed_ips").first?.text("ip_address") ?? "")
    }
    let address = external.list("external_fixed_ips").first?.text("ip_address") ?? ""
    if !outside.isEmpty { ends.insert((outside, address), at: 0) }
    place(router, "routers", lines: ["⇄ \(address)"], column: column, at: y, ends: ends)
  }

  private mutating func place(server: JSONValue, column: Int, at y: Int) {
    let own = ports[server.text("id")] ?? []
    let addresses = own.flatMap { $0.list("fixed_ips").map { $0.text("ip_address") } }
    let outside = own.compactMap { floating[$0.text("id")] }.map { "↗ \($0)" }
    place(
      server, "instances", lines: [addresses.joined(separator: " "), outside.joined(separator: " ")], column: column,
      at: y, ends: own.map { ($0.text("network_id"), "") })
  }

  /// A box and the lines from it to the bars of its networks.
  private mutating func place(
    _ json: JSONValue, _ kind: String, lines: [String], column: Int, at y: Int, ends: [(String, String)]
  ) {
    let x = 20 + column * (Self.boxWidth + Self.gap)
    let id = json.text("id")
    boxes.append(
      Box(
        id: id, title: json.text("name").isEmpty ? id : json.text("name"), lines: lines,
        tone: Cell.status(json.text("status")).tone ?? "off", href: "/project/\(kind)/" + Percent.encode(id), x: x, y: y
      ))
    for (index, end) in ends.enumerated() {
      guard let to = barY[end.0] else { continue }
      let at = x + 24 + index * 22
      links.append(
        to < y
          ? Link(x: at, from: to + Self.barHeight, to: y, label: end.1)
          : Link(x: at, from: y + Self.boxHeight, to: to, label: end.1))
    }
  }
}

/// The picture itself.
struct TopologyDrawing {
  let plan: TopologyPlan
  let isFile: Bool

  private static let tones = ["good": "#1a9c62", "bad": "#d0363f", "busy": "#c98a00", "off": "#8792a2"]
  private static let styles = """
    <style>text{font:13px system-ui,sans-serif}.box{fill:#fff;stroke:#cfd5de}.name{fill:#1b2330;font-weight:600}\
    .small-text{fill:#596375;font-size:11.5px}</style>
    """

  private func escape(_ text: String) -> String { HTML.escape(text) }
  private func short(_ text: String, _ count: Int) -> String {
    text.count > count ? String(text.prefix(count - 1)) + "…" : text
  }
  private func link(_ href: String, _ content: String) -> String {
    isFile ? content : "<a href=\"\(escape(href))\">\(content)</a>"
  }

  func svg() -> String {
    var text = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 \(plan.width) \(plan.height)' role='group'"
    text += " aria-label='Network topology'"
    text += isFile ? " width='\(plan.width)' height='\(plan.height)'>\(Self.styles)" : ">"
    for line in plan.links { text += draw(line) }
    for bar in plan.bars { text += draw(bar) }
    for box in plan.boxes { text += draw(box) }
    return text + "</svg>"
  }

  private func draw(_ line: TopologyPlan.Link) -> String {
    let middle = (line.from + line.to) / 2
    return
      "<line x1='\(line.x)' y1='\(line.from)' x2='\(line.x)' y2='\(line.to)' stroke='#8aa3d6' stroke-width='2.500'/>"
      + (line.label.isEmpty
        ? ""
        : "<text x='\(line.x + 6)' y='\(middle + 4)' class='small-text' font-size='11.500'>\(escape(line.label))</text>")
  }

  private func draw(_ bar: TopologyPlan.Bar) -> String {
    let fill = bar.isOutside ? "#5a6b8c" : "#2f6fed"
    let content =
      "<rect x='12' y='\(bar.y)' width='\(plan.width - 24)' height='\(TopologyPlan.barHeight)' rx='8' fill='\(fill)'/>"
      + "<text x='28' y='\(bar.y + 22)' fill='#ffffff' font-size='14' font-weight='600'>\(escape(short(bar.title, 40)))</text>"
      + "<text x='\(plan.width - 28)' y='\(bar.y + 22)' fill='#ffffff' font-size='12.500' text-anchor='end'>"
      + "\(escape(bar.line))</text>"
    return link(bar.href, content)
  }

  private func draw(_ box: TopologyPlan.Box) -> String {
    let (x, y) = (box.x, box.y)
    var content =
      "<rect x='\(x)' y='\(y)' width='\(TopologyPlan.boxWidth)' height='\(TopologyPlan.boxHeight)' rx='9' class='box'/>"
      + "<circle cx='\(x + 16)' cy='\(y + 19)' r='5' fill='\(Self.tones[box.tone] ?? "#8792a2")'/>"
      + "<text x='\(x + 29)' y='\(y + 23)' class='name' font-size='13.500' font-weight='600'>\(escape(short(box.title, 17)))</text>"
    for (index, line) in box.lines.enumerated() where !line.isEmpty {
      content +=
        "<text x='\(x + 14)' y='\(y + 41 + index * 15)' class='small-text' font-size='11.500'>"
        + "\(escape(short(line, 30)))</text>"
    }
    return link(box.href, content)
  }
}

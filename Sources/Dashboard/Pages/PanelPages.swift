import API
import Kit

/// The pages of every panel: its list, one resource, and the forms of its actions.
struct PanelPages {
  let service: DashboardService
  let visit: Visit
  let panel: Panel

  private var client: APIClient { visit.client }

  /// `/area/panel[/id[/action]]`, where the id `-` stands for the list itself.
  func respond() async throws -> Reply {
    let rest = visit.path.dropFirst(2)
    let id = rest.first ?? ""
    let actionID = rest.dropFirst().first
    guard rest.count <= 2 else { throw Fault.notFound("There is no such page.") }
    switch (visit.call.method, actionID) {
    case ("GET", nil) where id.isEmpty: return try await list()
    case ("GET", nil): return try await show(id)
    case ("GET", let actionID?): return try await form(id, actionID)
    case ("POST", let actionID?): return try await perform(id, actionID)
    default: throw Fault(405, "This page does not take \(visit.call.method).")
    }
  }

  // MARK: Lists

  private func list() async throws -> Reply {
    var query = panel.query(visit.session)
    for filter in panel.filters {
      if let value = visit.query[filter.name], !value.isEmpty { query.append((filter.name, value)) }
    }
    let sort = panel.columns.compactMap(\.sort).first { $0 == visit.query["sort_key"] }
    let isDescending = visit.query["sort_dir"] == "desc"
    if let sort { query += [("sort_key", sort), ("sort_dir", isDescending ? "desc" : "asc")] }
    if panel.isPaged {
      query.append(("limit", String(visit.preferences.rows)))
      if let marker = visit.query["marker"], !marker.isEmpty { query.append(("marker", marker)) }
    }
    let body = try await client.get(panel.service, panel.path(visit.session), query)
    let names = try await Self.names(panel.lookups, client, visit.session)
    let rows = body.list(panel.collection).filter { panel.shows($0, visit.session) }
      .map { Row(json: $0, panel: panel, names: names, session: visit.session) }
    var view = listView(rows, sort: sort, isDescending: isDescending)
    if let last = rows.last, hasNext(body) {
      view["next"] = link(["marker": last.json.text("id").isEmpty ? last.id : last.json.text("id")])
    }
    if visit.query["marker"] != nil { view["first"] = link([:]) }
    return service.page("list", visit, title: visit.t(panel.title), active: panel.address, view)
  }

  private func hasNext(_ body: JSONValue) -> Bool {
    guard panel.isPaged else { return false }
    if body["next"]?.string != nil { return true }
    return body.list("\(panel.collection)_links").contains { $0.text("rel") == "next" }
  }

  /// Reads the lists that give names to ids. A list that the user may not read gives none.
  static func names(_ lookups: [Lookup], _ client: APIClient, _ session: Session) async throws -> Names {
    var names = Names()
    for lookup in lookups where client.has(lookup.service) {
      do {
        let list = try await client.get(lookup.service, lookup.path(session), lookup.query).list(lookup.collection)
        names.lists[lookup.id] = Dictionary(list.map { ($0.text("id"), $0) }) { first, _ in first }
      } catch let fault as Fault where fault.status == 403 || fault.status == 404 { continue }
    }
    return names
  }

  /// This list's address with other values in its query.
  private func link(_ values: [String: String]) -> String {
    let kept = visit.query.items.filter { $0.name != "marker" && values[$0.name] == nil && !$0.value.isEmpty }
    let all = kept.map { ($0.name, $0.value) } + values.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    let text = Query(all).text()
    return panel.address + (text.isEmpty ? "" : "?" + text)
  }

  private func listView(_ rows: [Row], sort: String?, isDescending: Bool) -> View {
    let bulk = panel.rowActions.filter(\.isBulk)
    let menu = RowMenu(panel, visit)
    let filters: [View] = panel.filters.map { filter in
      let value = visit.query[filter.name] ?? ""
      var view: View = ["name": filter.name, "label": visit.t(filter.label), "value": value]
      view["isChoice"] = !filter.options.isEmpty
      if !filter.options.isEmpty {
        view["options"] = filter.options.map { ["value": $0, "chosen": $0 == value] as View }
      }
      return view
    }
    let headings: [View] = panel.columns.map { column in
      var view: View = ["title": visit.t(column.title)]
      if let key = column.sort {
        let isActive = key == sort
        view["href"] = link(["sort_key": key, "sort_dir": isActive && !isDescending ? "desc" : "asc"])
        view["sorted"] = isActive ? (isDescending ? "descending" : "ascending") : "none"
        view["arrow"] = isActive ? (isDescending ? "↓" : "↑") : ""
      }
      return view
    }
    return [
      "panel": panel.address, "headings": headings, "rows": rows.map { rowView($0, menu, hasBulk: !bulk.isEmpty) },
      "isEmpty": rows.isEmpty, "isFiltered": filters.contains { !(($0["value"] as? String) ?? "").isEmpty },
      "empty": visit.t(panel.empty), "filters": filters, "hasFilters": !filters.isEmpty, "live": panel.isLive,
      "actions": panel.tableActions.map { tableAction($0) }, "hasBulk": !bulk.isEmpty,
      "bulk": bulk.map { ["id": $0.id, "title": visit.t($0.title), "style": $0.style.rawValue] as View },
      "csrf": visit.session.csrf, "count": rows.count,
      // An empty list offers what would fill it.
      "first-step": panel.tableActions.prefix(1).map { tableAction($0) },
    ]
  }

  private func tableAction(_ action: Action) -> View {
    [
      "title": visit.t(action.title), "style": action.style.rawValue,
      "href": action.href ?? "\(panel.address)/-/\(action.id)", "isForm": action.href == nil,
    ]
  }

  private func rowView(_ row: Row, _ menu: RowMenu, hasBulk: Bool) -> View {
    let menu = menu.html(row)
    return [
      "id": row.id, "title": row.title, "cells": panel.columns.map { $0.cell(row).html(visit) },
      "actions": menu, "hasMenu": !menu.isEmpty, "hasBulk": hasBulk,
    ]
  }

  // MARK: One resource

  private func context(_ id: String) async throws -> PageContext {
    guard id != "-" else { return PageContext(visit: visit, panel: panel, id: "", json: .null) }
    guard let find = panel.find else { throw Fault.notFound("There is no such page.") }
    let json = try await find(client, visit.session, id)
    return PageContext(visit: visit, panel: panel, id: id, json: json)
  }

  private func show(_ id: String) async throws -> Reply {
    guard panel.hasPage, id != "-" else { throw Fault.notFound("There is no such page.") }
    let context = try await context(id)
    let row = Row(json: context.json, panel: panel, names: Names(), session: visit.session)
    let tab = panel.tabs.first { $0.id == visit.query["tab"] }
    let blocks = try await (tab?.blocks ?? panel.blocks)(context)
    let menu = RowMenu(panel, visit).html(row)
    let status = context.json.text("status")
    var view: View = [
      "list": panel.address, "listTitle": visit.t(panel.title), "id": id, "actions": menu, "csrf": visit.session.csrf,
      "hasMenu": !menu.isEmpty, "blocks": blocks.map { blockView($0) },
      "live": panel.isLive && tab?.isLive != false, "hasTabs": !panel.tabs.isEmpty, "tabs": tabs(id, tab?.id),
    ]
    if !status.isEmpty { view["status"] = Cell.status(status).html(visit) }
    return service.page("detail", visit, title: row.title, active: panel.address, view)
  }

  private func tabs(_ id: String, _ chosen: String?) -> [View] {
    let address = panel.address(of: id)
    return [["title": visit.t("Overview"), "href": address, "chosen": chosen == nil]]
      + panel.tabs.map {
        ["title": visit.t($0.title), "href": "\(address)?tab=\($0.id)", "chosen": chosen == $0.id] as View
      }
  }

  private func blockView(_ block: Block) -> View {
    var view: View = ["title": visit.t(block.title)]
    if !block.facts.isEmpty {
      view["hasFacts"] = true
      view["facts"] = block.facts.map { ["label": visit.t($0.0), "cell": $0.1.html(visit)] as View }
    }
    if !block.headings.isEmpty {
      view["table"] =
        [
          "headings": block.headings.map { visit.t($0) }, "isEmpty": block.rows.isEmpty, "empty": visit.t(block.empty),
          "rows": block.rows.map { row in
            var view: View = ["cells": row.cells.map { $0.html(visit) }]
            if let action = row.action { view["action"] = ["title": visit.t(action.title), "href": action.href] }
            return view
          },
        ] as View
    }
    if let log = block.log { view["log"] = log.isEmpty ? visit.t("Nothing has been written yet.") : log }
    if let frame = block.frame { view["frame"] = frame }
    if let note = block.note { view["note"] = note.html(visit) }
    if !block.links.isEmpty {
      view["hasLinks"] = true
      view["links"] = block.links.map { ["title": visit.t($0.0), "href": $0.1] as View }
    }
    return view
  }

  // MARK: Actions

  private func action(_ id: String, _ actionID: String) throws -> Action {
    let all = id == "-" ? panel.tableActions + panel.rowActions.filter(\.isBulk) : panel.rowActions
    guard let action = all.first(where: { $0.id == actionID && $0.href == nil }) else {
      throw Fault.notFound("There is no such action.")
    }
    return action
  }

  private func form(_ id: String, _ actionID: String) async throws -> Reply {
    try await formPage(try action(id, actionID), try await context(id), nil, nil, [])
  }

  private func formPage(
    _ action: Action, _ context: PageContext, _ form: Form?, _ fault: Fault?, _ ids: [String]
  ) async throws -> Reply {
    let fields = ids.isEmpty ? try await action.fields?(context) ?? [] : []
    // A form that was opened by a link brings choices along, such as the network of a new subnet.
    let given = form ?? (visit.query.items.isEmpty ? nil : Self.prefilled(fields, visit.query))
    let target = context.id.isEmpty ? panel.address + "/-/" : panel.address(of: context.id) + "/"
    var view: View = [
      "action": target + action.id,
      "back": context.id.isEmpty || !panel.hasPage
        ? panel.address
        : panel.address(of: context.id),
      "fields": fields.map { $0.view(visit, given) }, "csrf": visit.session.csrf, "button": visit.t(action.title),
      "style": action.style.rawValue, "ids": ids, "confirm": action.confirm.map { visit.t($0) } ?? "",
      "asks": action.confirm != nil,
      "isUpload": fields.contains { if case .file = $0.kind { true } else { false } },
    ]
    if !ids.isEmpty { view["many"] = ids.count }
    if let fault { view["error"] = visit.t(fault.message) }
    let subject = context.id.isEmpty ? "" : ": " + panel.title(of: context.json)
    return service.page(
      "form", visit, title: visit.t(action.title) + subject, active: panel.address, view, status: fault?.status ?? 200)
  }

  private static func prefilled(_ fields: [Field], _ query: Query) -> Form {
    var items = query.items.map { ($0.name, $0.value) }
    for field in fields where !query.contains(field.name) {
      items.append((field.name, field.value))
      items += field.values.map { (field.name, $0) }
    }
    return Form(Query(items))
  }

  private func perform(_ id: String, _ actionID: String) async throws -> Reply {
    let action = try action(id, actionID)
    let form: Form
    var stream: BodyStream?
    if visit.call.headers["Content-Type"]?.hasPrefix("multipart/form-data") == true {
      let upload = try await Multipart.read(visit.call)
      (form, stream) = (Form(upload.fields), upload.file)
      try service.checkCSRF(form, visit)
    } else {
      form = try await service.form(visit)
    }
    let ids = form.all("ids")
    if id == "-", action.isBulk, !panel.tableActions.contains(where: { $0.id == actionID }) {
      return try await bulk(action, ids, form)
    }
    let context = try await context(id)
    do {
      let outcome = try await Upload.$file.withValue(stream) { try await action.perform(context, form) }
      return try finish(outcome, context)
    } catch let fault as Fault where fault.status < 500 && fault.status != 401 {
      if !action.needsForm {
        return service.redirect(back(context), visit, Flash(text: fault.message, isError: true))
      }
      return try await formPage(action, context, form, fault, [])
    }
  }

  private func back(_ context: PageContext) -> String {
    let referrer = visit.call.headers["Referer"] ?? ""
    let isFromPage = referrer.contains(panel.address(of: context.id))
    return context.id.isEmpty || !panel.hasPage || !isFromPage ? panel.address : panel.address(of: context.id)
  }

  private func finish(_ outcome: Outcome, _ context: PageContext) throws -> Reply {
    func flash(_ text: String) -> Flash { Flash(text: visit.t(text), isError: false) }
    switch outcome {
    case .done(let text):
      let target = context.id.isEmpty || !panel.hasPage ? panel.address : panel.address(of: context.id)
      return service.redirect(target, visit, flash(text))
    case .list(let text): return service.redirect(panel.address, visit, flash(text))
    case .to(let address, let text): return service.redirect(address, visit, text.map(flash))
    case .secret(let title, let explanation, let text, let file):
      return service.page(
        "secret", visit, title: visit.t(title), active: panel.address,
        [
          "explanation": visit.t(explanation), "text": text, "file": file, "back": panel.address,
          "data": "data:application/octet-stream;charset=utf-8," + Percent.encode(text),
        ])
    }
  }

  /// Does an action to several, after a page that asks; each that fails is named with its reason.
  private func bulk(_ action: Action, _ ids: [String], _ form: Form) async throws -> Reply {
    guard !ids.isEmpty else {
      return service.redirect(
        panel.address, visit, Flash(text: visit.t("Choose at least one row first."), isError: true))
    }
    let list = PageContext(visit: visit, panel: panel, id: "", json: .null)
    if action.confirm != nil, form["confirmed"].isEmpty {
      return try await formPage(action, list, form, nil, Array(ids.prefix(service.settings.pageRows)))
    }
    var failures: [String] = []
    for id in ids.prefix(service.settings.pageRows) {
      do {
        _ = try await action.perform(try await context(id), form)
      } catch let fault as Fault where fault.status < 500 && fault.status != 401 {
        failures.append("\(id): \(fault.message)")
      }
    }
    let text = failures.isEmpty ? visit.t("Done.") : failures.prefix(5).joined(separator: " ")
    return service.redirect(panel.address, visit, Flash(text: text, isError: !failures.isEmpty))
  }
}

import API
import Kit

/// Instances: servers of the Compute API.
enum InstancePanels {
  static let path = "/v2.1/servers"

  static let project: Panel = make(.project)
  static let admin: Panel = make(.admin)

  private static func make(_ area: Panel.Area) -> Panel {
    let isAdmin = area == .admin
    var panel = Panel(
      area: area, id: "instances", title: isAdmin ? "All instances" : "Instances", noun: "instance", icon: "server",
      service: "compute", path: { _ in "/v2.1/servers/detail" }, collection: "servers")
    if isAdmin { panel.query = { _ in [("all_tenants", "1")] } }
    panel.lookups = [
      Lookup(id: "images", service: "image", path: "/v2/images", collection: "images", query: [("limit", "1000")])
    ]
    if isAdmin {
      panel.lookups.append(Lookup(id: "projects", service: "identity", path: "/v3/projects", collection: "projects"))
    }
    panel.columns = columns(isAdmin: isAdmin)
    panel.filters = [
      Filter(name: "name", label: "Name"),
      Filter(
        name: "status", label: "State",
        options: [
          "ACTIVE", "BUILD", "ERROR", "PAUSED", "SHUTOFF", "SUSPENDED", "VERIFY_RESIZE", "RESCUE",
          "SHELVED", "SHELVED_OFFLOADED",
        ]),
      Filter(name: "ip", label: "Address"),
    ]
    panel.empty =
      "No instances yet. Launch one: all it needs is an image, a flavor and a network."
    panel.isLive = true
    if !isAdmin { panel.tableActions = [.link("launch", "Launch instance", style: .primary, "/project/launch")] }
    panel.rowActions = InstanceActions.all + (isAdmin ? InstanceMoves.admin + [InstanceActions.resetState] : [])
    panel.find = { client, _, id in
      try await client.get("compute", "\(path)/\(Percent.encode(id))")["server"] ?? .null
    }
    panel.blocks = { try await InstanceBlocks.make($0) }
    panel.tabs = [
      Tab(id: "console", title: "Console", isLive: false) { [InstanceBlocks.screen($0)] },
      Tab(id: "log", title: "Console log") { [await InstanceBlocks.console($0)] },
    ]
    return panel
  }

  private static func columns(isAdmin: Bool) -> [Column] {
    var columns = [
      Column("Name", sort: "display_name") { $0.link },
      Column("State") { row in
        let task = row.json.text("OS-EXT-STS:task_state")
        return task.isEmpty
          ? .status(row.json.text("status")) : Cell("\(row.json.text("status")) · \(task)", tone: "busy")
      },
      Column("Image") { row in
        let id = row.json["image"]?.text("id") ?? ""
        return id.isEmpty ? .text("") : .text(row.names.name("images", id))
      },
      Column("Addresses") { .lines(addresses($0.json)) },
      Column("Flavor") { .text($0.json["flavor"]?.text("original_name") ?? "") },
      .text("Key pair", "key_name"), Column("Created", sort: "created_at") { .time($0.json.text("created")) },
    ]
    if isAdmin {
      columns.insert(Column("Project") { .text($0.names.name("projects", $0.json.text("tenant_id"))) }, at: 1)
      columns[6] = Column("Host") { .text($0.json.text("OS-EXT-SRV-ATTR:host")) }
    }
    return columns
  }

  /// Fixed addresses with the floating ones that lead to them.
  static func addresses(_ server: JSONValue) -> [Cell] {
    (server["addresses"]?.object ?? [:]).flatMap { network in
      (network.value.array ?? []).map { address in
        let isFloating = address.text("OS-EXT-IPS:type") == "floating"
        return Cell(address.text("addr") + (isFloating ? " ↗" : ""), isCode: true)
      }
    }
  }
}

/// The page of one instance.
enum InstanceBlocks {
  static func make(_ context: PageContext) async throws -> [Block] {
    let server = context.json
    var blocks: [Block] = []
    if let fault = server["fault"], !fault.isNull { blocks.append(why(fault)) }
    blocks += [try await overview(context), network(server)]
    blocks.append(try await timeline(context))
    blocks.append(try await interfaces(context))
    blocks.append(metadata(server))
    if let volumes = try await volumes(context) { blocks.append(volumes) }
    return blocks
  }

  /// Why it is in error: the sentence of the fault and, where the scheduler said more, its reasons.
  private static func why(_ fault: JSONValue) -> Block {
    var block = Block("Why it failed")
    block.note = Cell(fault.text("message"), tone: "bad")
    block.facts = [("When", .time(fault.text("created"))), ("Code", .text(fault.text("code")))]
    if !fault.text("details").isEmpty { block.log = fault.text("details") }
    return block
  }

  private static func overview(_ context: PageContext) async throws -> Block {
    let server = context.json
    let flavor = server["flavor"] ?? .null
    var facts: [(String, Cell)] = [
      ("Id", .code(server.text("id"))), ("State", .status(server.text("status"))),
      ("Description", .text(server.text("description"))),
      (
        "Flavor",
        .text(
          "\(flavor.text("original_name")): \(flavor.text("vcpus")) VCPU, \(flavor.text("ram")) MiB, \(flavor.text("disk")) GiB"
        )
      ),
      ("Key pair", .text(server.text("key_name"))), ("Zone", .text(server.text("OS-EXT-AZ:availability_zone"))),
      ("Host name", .text(server.text("OS-EXT-SRV-ATTR:hostname"))),
      ("Created", .time(server.text("created"))), ("Launched", .time(server.text("OS-SRV-USG:launched_at"))),
      ("Locked", .flag(server["locked"])),
    ]
    if let image = server["image"]?["id"]?.string {
      // An image that is gone, or not to be seen, leaves its id.
      let name = try? await context.client.get("image", "/v2/images/" + Percent.encode(image)).text("name")
      let text = name.flatMap { $0.isEmpty ? nil : $0 } ?? image
      facts.insert(("Image", Cell(text, href: "/project/images/" + Percent.encode(image))), at: 3)
    }
    let host = server.text("OS-EXT-SRV-ATTR:host")
    if !host.isEmpty { facts.append(("Host", .text(host))) }
    return .facts("Overview", facts)
  }

  private static func network(_ server: JSONValue) -> Block {
    var facts: [(String, Cell)] = (server["addresses"]?.object ?? [:]).map { network in
      (
        network.key,
        .lines((network.value.array ?? []).map { .code("\($0.text("addr")) · \($0.text("OS-EXT-IPS:type"))") })
      )
    }
    let groups = server.list("security_groups").map { $0.text("name") }
    facts.append(("Security groups", .text(groups.joined(separator: ", "))))
    return .facts("Addresses", facts)
  }

  private static func timeline(_ context: PageContext) async throws -> Block {
    let path = "\(InstancePanels.path)/\(Percent.encode(context.id))/os-instance-actions"
    let actions = try await context.client.get("compute", path, [("limit", "20")]).list("instanceActions")
    return .table(
      "What happened", ["Action", "Result", "Started", "Finished", "Request"],
      actions.map { action in
        let message = action.text("message")
        return BlockRow([
          Cell(action.text("action"), isStrong: true),
          message.isEmpty ? .status("Success") : Cell(message, tone: "bad"),
          .time(action.text("start_time")), .time(action.text("updated_at")), .code(action.text("request_id")),
        ])
      }, empty: "Nothing has been done with it yet.")
  }

  private static func interfaces(_ context: PageContext) async throws -> Block {
    let ports = try await context.client.get("network", "/v2.0/ports", [("device_id", context.id)]).list("ports")
    var block = Block.table(
      "Interfaces", ["Port", "Addresses", "MAC address", "State"],
      ports.map { port in
        BlockRow(
          [
            .code(port.text("id")), .lines(port.list("fixed_ips").map { .code($0.text("ip_address")) }),
            .code(port.text("mac_address")), .status(port.text("status")),
          ],
          action: (
            "Detach",
            context.panel.address(of: context.id) + "/detach-interface?port=" + Percent.encode(port.text("id"))
          ))
      }, empty: "It has no interface.")
    block.links = [("Attach interface", context.panel.address(of: context.id) + "/attach-interface")]
    return block
  }

  private static func metadata(_ server: JSONValue) -> Block {
    let pairs = (server["metadata"]?.object ?? [:]).map { ($0.key, Cell.code($0.value.asText)) }
    let tags = (server["tags"]?.array ?? []).map(\.asText).joined(separator: ", ")
    return .facts("Metadata and tags", pairs + [("Tags", .text(tags))])
  }

  private static func volumes(_ context: PageContext) async throws -> Block? {
    guard context.client.has(VolumePanels.service) else { return nil }
    let attached = context.json.list("os-extended-volumes:volumes_attached")
    return .table(
      "Volumes", ["Volume"],
      attached.map { volume in
        let id = volume.text("id")
        return BlockRow(
          [Cell(id, href: "/project/volumes/" + Percent.encode(id))],
          action: ("Detach", context.panel.address(of: context.id) + "/detach-volume?volume=" + Percent.encode(id)))
      }, empty: "No volume is attached.")
  }

  /// The guest's screen, in a frame that comes from the console proxy.
  static func screen(_ context: PageContext) -> Block {
    var block = Block("Console")
    let settings = context.visit.settings
    if let absent = settings.consoleAbsent() {
      block.note = Cell(absent, tone: "bad")
    } else if ["ACTIVE", "PAUSED", "RESCUE", "PASSWORD", "REBOOT"].contains(context.json.text("status")) {
      block.frame = context.panel.address(of: context.id) + "/screen"
    } else {
      block.note = Cell(context.t("The console is there while the instance runs. Start it first."), tone: "off")
    }
    return block
  }

  /// The console's last lines. A server that has not started has none, which is no error of the page.
  static func console(_ context: PageContext) async -> Block {
    var block = Block("Console log")
    let path = "\(InstancePanels.path)/\(Percent.encode(context.id))/action"
    let answer = try? await context.client.send("POST", "compute", path, ["os-getConsoleOutput": ["length": 1000]])
    block.log = String(
      (answer?.text("output") ?? "").unicodeScalars.filter { $0.value >= 32 || $0 == "\n" || $0 == "\t" }
        .map(Character.init))
    return block
  }
}

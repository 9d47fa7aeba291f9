import API
import Kit

/// The launch wizard.
struct LaunchPage {
  let service: DashboardService
  let visit: Visit
  private var client: APIClient { visit.client }

  /// The form; `form` and `error`: what was sent before, and why it did not do.
  /// `at`: the step that it is about.
  func show(_ form: Form?, _ fault: Fault?, at step: Int = 0) async throws -> Reply {
    let context = PageContext(
      visit: visit, panel: InstancePanels.project, id: "", json: .null)
    let sources = try await sources(form)
    var view: View = [
      "csrf": visit.session.csrf, "hasSources": !sources.isEmpty, "sources": sources,
      "flavors": try await flavors(form), "details": try await details(context).map { $0.view(visit, form) },
      "networks": try await networks(context).map { $0.view(visit, form) },
      "groups": try await groups(context, form).map { $0.view(visit, form) },
      "keys": try await keys().map { $0.view(visit, form) },
      "configuration": Self.configuration.map { $0.view(visit, form) },
      "placement": try await placement(context).map { $0.view(visit, form) },
    ]
    if client.has(VolumePanels.service) { view["volumeFields"] = Self.volume.map { $0.view(visit, form) } }
    if let fault { view["error"] = visit.t(fault.message) }
    view["step"] = step
    return service.page(
      "launch", visit, title: visit.t("Launch instance"), active: "/project/instances", view,
      status: fault?.status ?? 200)
  }

  // MARK: Sections

  private func details(_ context: PageContext) async throws -> [Field] {
    let zones = try await client.get("compute", "/v2.1/os-availability-zone").list("availabilityZoneInfo")
      .map { Field.Option($0.text("zoneName")) }
    return [
      Field("name", "Instance name", required: true), Field("description", "Description"),
      Field("count", "How many", .number, value: "1", required: true), .choice("zone", "Zone", zones),
    ]
  }

  private func sources(_ form: Form?) async throws -> [View] {
    var sources: [View] = []
    func add(_ kind: String, _ id: String, _ name: String, _ title: String, _ size: String) {
      let value = "\(kind):\(id)"
      sources.append([
        "value": value, "name": name.isEmpty ? id : name, "kind": visit.t(title), "size": size,
        "chosen": (form?["source"] ?? visit.query["source"]) == value,
      ])
    }
    let images = try await client.get("image", "/v2/images", [("limit", "1000"), ("status", "active")]).list("images")
    for image in images where !["aki", "ari"].contains(image.text("disk_format")) {
      let isSnapshot = image.text("image_type") == "snapshot"
      add(
        "image", image.text("id"), image.text("name"), isSnapshot ? "Snapshot" : "Image", Size.bytes(image["size"]?.int)
      )
    }
    guard client.has(VolumePanels.service) else { return sources }
    let volumes = try await client.get(
      VolumePanels.service, VolumePanels.path(visit.session, "/volumes/detail"), [("status", "available")]
    ).list("volumes")
    for volume in volumes where volume.text("bootable") == "true" {
      add("volume", volume.text("id"), volume.text("name"), "Volume", volume.text("size") + " GiB")
    }
    let snapshots = try await client.get(
      VolumePanels.service, VolumePanels.path(visit.session, "/snapshots/detail"), [("status", "available")]
    ).list("snapshots")
    for snapshot in snapshots {
      add("snapshot", snapshot.text("id"), snapshot.text("name"), "Volume snapshot", snapshot.text("size") + " GiB")
    }
    return sources
  }

  private static let volume = [
    Field("boot_volume", "Boot from a new volume", .check),
    Field(
      "volume_size", "Size of the volume in GiB", .number, help: "For a new volume, of an image or of a snapshot."),
    Field("volume_delete", "Delete the volume with the instance", .check),
  ]

  /// Flavors, each with what its project's quota says against it.
  private func flavors(_ form: Form?) async throws -> [View] {
    let limits = try await client.get("compute", "/v2.1/limits")["limits"]?["absolute"] ?? .null
    func left(_ used: String, _ limit: String) -> Int {
      let limit = limits[limit]?.int ?? -1
      return limit < 0 ? .max : limit - (limits[used]?.int ?? 0)
    }
    let (instances, cores, memory) = (
      left("totalInstancesUsed", "maxTotalInstances"), left("totalCoresUsed", "maxTotalCores"),
      left("totalRAMUsed", "maxTotalRAMSize")
    )
    let flavors = try await client.get("compute", "/v2.1/flavors/detail").list("flavors")
    return flavors.map { flavor in
      var view: View = [
        "id": flavor.text("id"), "name": flavor.text("name"), "vcpus": flavor.text("vcpus"),
        "memory": flavor.text("ram") + " MiB", "disk": flavor.text("disk") + " GiB",
        "chosen": form?["flavor"] == flavor.text("id"),
      ]
      var reasons: [String] = []
      if instances < 1 { reasons.append(visit.t("no instance left in the quota")) }
      if cores < flavor["vcpus"]?.int ?? 0 { reasons.append("\(visit.t("VCPUs left:")) \(max(cores, 0))") }
      if memory < flavor["ram"]?.int ?? 0 { reasons.append("\(visit.t("MiB of memory left:")) \(max(memory, 0))") }
      if !reasons.isEmpty { view["warning"] = reasons.joined(separator: ", ") }
      return view
    }
  }

  private func networks(_ context: PageContext) async throws -> [Field] {
    let subnets = try await client.get("network", "/v2.0/subnets").list("subnets")
    let all = try await client.get("network", "/v2.0/networks").list("networks")
    let own = all.filter {
      $0["router:external"]?.bool != true || $0["shared"]?.bool == true
    }.filter { $0.text("project_id") == visit.session.projectID || $0["shared"]?.bool == true }
    let options = own.map { network in
      let cidrs = subnets.filter { $0.text("network_id") == network.text("id") }.map { $0.text("cidr") }
      return Field.Option(network.text("id"), "\(network.text("name")) \(cidrs.joined(separator: ", "))")
    }
    let ports = try await client.get("network", "/v2.0/ports", [("project_id", visit.session.projectID)]).list("ports")
      .filter { $0.text("device_owner").isEmpty && $0.text("device_id").isEmpty }
      .map { port in
        let addresses = port.list("fixed_ips").map { $0.text("ip_address") }.joined(separator: ", ")
        return Field.Option(port.text("id"), "\(port.text("name")) \(addresses)")
      }
    var field = Field("networks", "Networks", .many(options))
    if options.count == 1 { field.values = Set(options.map(\.value)) }
    return ports.isEmpty ? [field] : [field, Field("ports", "Ports", .many(ports))]
  }

  private func groups(_ context: PageContext, _ form: Form?) async throws -> [Field] {
    let groups = try await client.get(
      "network", "/v2.0/security-groups", [("project_id", visit.session.projectID)]
    ).list("security_groups").sorted { $0.text("name") < $1.text("name") }
    var field = Field("groups", "Security groups", .many(groups.map { Field.Option($0.text("id"), $0.text("name")) }))
    field.values = Set(groups.filter { $0.text("name") == "default" }.map { $0.text("id") })
    return [field]
  }

  private func keys() async throws -> [Field] {
    let keys = try await client.get("compute", "/v2.1/os-keypairs").list("keypairs")
      .map { Field.Option($0["keypair"]?.text("name") ?? "") }
    return [
      .choice("key", "Key pair", keys, value: keys.count == 1 ? keys[0].value : ""),
      Field("new_key_name", "Or import one under this name"),
      Field("new_key", "Its public key", .area, help: "The one line of your .pub file."),
    ]
  }

  private static let configuration = [
    Field("user_data", "User data", .area, help: "A script or cloud-config that runs at the first boot."),
    Field("config_drive", "Configuration drive", .check),
    Field("password", "Administrator's password", .password),
  ]

  private func placement(_ context: PageContext) async throws -> [Field] {
    [
      .choice(
        "server_group", "Server group", try await context.options("compute", "/v2.1/os-server-groups", "server_groups")),
      Field("hints", "Scheduler hints", .area, help: "One key=value on each line."),
      Field("metadata", "Metadata", .area, help: "One key=value on each line."),
    ]
  }

  // MARK: Launching

  /// The problems of one step, for the script that leads from step to step.
  func check() async throws -> Reply {
    let form = try await service.form(visit)
    let step = try form.number("step", "step") ?? 0
    let problems = try await LaunchCheck(visit: visit, form: form).problems(step)
    return .json(["problems": .array(problems.map { ["text": .string($0.text), "doubt": .bool($0.isDoubt)] })])
  }

  func launch() async throws -> Reply {
    let form = try await service.form(visit)
    let check = LaunchCheck(visit: visit, form: form)
    var mistakes: [LaunchProblem] = []
    for step in 0..<LaunchCheck.steps { mistakes += try await check.problems(step).filter { !$0.isDoubt } }
    guard mistakes.isEmpty else {
      let text = mistakes.map(\.text).joined(separator: " ")
      return try await show(form, Fault.badRequest(text), at: mistakes[0].step)
    }
    do {
      let order = try await order(form)
      let made = try await client.send("POST", "compute", "/v2.1/servers", order)
      let id = made["server"]?.text("id") ?? ""
      let isOne = form["count"] == "1" && !id.isEmpty
      let target = isOne ? InstancePanels.project.address(of: id) : InstancePanels.project.address
      return service.redirect(target, visit, Flash(text: visit.t("It is being built."), isError: false))
    } catch let fault as Fault where fault.status < 500 && fault.status != 401 {
      return try await show(form, fault)
    }
  }

  private func order(_ form: Form) async throws -> JSONValue {
    let count = try form.number("count", visit.t("How many")) ?? 1
    var server: JSONObject = [
      "name": .string(form["name"]), "flavorRef": .string(form["flavor"]), "min_count": .int(count),
      "max_count": .int(count),
    ]
    guard !form["flavor"].isEmpty else { throw Fault.badRequest(visit.t("Choose a flavor.")) }
    if let description = form.optional("description") { server["description"] = description }
    if let zone = form.optional("zone") { server["availability_zone"] = zone }
    try LaunchSource(form, visit).add(to: &server, form: form)
    let networks: [JSONValue] =
      form.all("networks").map { ["uuid": .string($0)] } + form.all("ports").map { ["port": .string($0)] }
    server["networks"] = networks.isEmpty ? "auto" : .array(networks)
    try await addGroups(&server, form)
    if let key = try await key(form) { server["key_name"] = key }
    if !form.raw("user_data").isEmpty {
      server["user_data"] = .string(Base64.encode(Array(form.raw("user_data").utf8)))
    }
    if form.isOn("config_drive") { server["config_drive"] = true }
    if !form.raw("password").isEmpty { server["adminPass"] = .string(form.raw("password")) }
    let metadata = try form.pairs("metadata")
    if !metadata.isEmpty { server["metadata"] = .object(metadata) }
    var order: JSONObject = ["server": .object(server)]
    var hints = try form.pairs("hints")
    if let group = form.optional("server_group") { hints["group"] = group }
    if !hints.isEmpty { order["os:scheduler_hints"] = .object(hints) }
    return .object(order)
  }

  /// Compute takes security groups by name; ids are unambiguous, and it takes them too.
  private func addGroups(_ server: inout JSONObject, _ form: Form) async throws {
    let groups = form.all("groups")
    if !groups.isEmpty { server["security_groups"] = .array(groups.map { ["name": .string($0)] }) }
  }

  /// The chosen key pair, or the one that is imported on the way.
  private func key(_ form: Form) async throws -> JSONValue? {
    guard !form["new_key"].isEmpty else { return form.optional("key") }
    guard let name = form.optional("new_key_name") else {
      throw Fault.badRequest(visit.t("Give the imported key pair a name."))
    }
    try await client.send(
      "POST", "compute", "/v2.1/os-keypairs",
      ["keypair": ["name": name, "type": "ssh", "public_key": .string(form["new_key"])]])
    return name
  }
}

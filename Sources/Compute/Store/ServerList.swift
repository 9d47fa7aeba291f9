import API
import Contracts
import Kit
import Store

/// The list of servers: its filters, sort keys and pages (API reference, List Servers).
struct ServerList {
  let call: Call
  let auth: AuthContext
  let service: ComputeDependencies
  let isDetail: Bool

  /// What the caller may filter by: administrators everything, others what upstream allows them.
  private static let userFilters: Set<String> = [
    "reservation_id", "name", "status", "image", "flavor", "ip", "changes-since", "all_tenants",
  ]
  private static let userFilters283: Set<String> = [
    "availability_zone", "config_drive", "key_name", "created_at", "launched_at", "terminated_at", "power_state",
    "task_state", "vm_state", "progress", "user_id",
  ]
  private static let tagFilters: Set<String> = ["tags", "tags-any", "not-tags", "not-tags-any"]
  private static let paging: Set<String> = ["limit", "marker", "sort_key", "sort_dir"]
  private static let joined: Set<String> = [
    "block_device_mapping", "services", "metadata", "system_metadata", "info_cache", "security_groups", "pci_devices",
  ]
  /// Filters that compare a column exactly.
  private static let exact: [String: ListColumn] = Dictionary(
    uniqueKeysWithValues: [
      ListColumn("user_id"), ListColumn("reservation_id"), ListColumn("launch_index", nil, .int),
      ListColumn("image", "image_id"), ListColumn("image_ref", "image_id"), ListColumn("flavor", "flavor_id"),
      ListColumn("host"), ListColumn("node", "host"), ListColumn("hypervisor_hostname", "host"),
      ListColumn("uuid", "id"), ListColumn("vm_state"), ListColumn("power_state", nil, .int),
      ListColumn("key_name"), ListColumn("availability_zone", "zone"), ListColumn("locked_by"),
      ListColumn("root_device_name", "root_device"), ListColumn("config_drive", "config_drive", .bool),
      ListColumn("access_ip_v4", "access_ipv4"), ListColumn("access_ip_v6", "access_ipv6"),
      ListColumn("created_at", nil, .timestamp), ListColumn("launched_at", nil, .timestamp),
      ListColumn("terminated_at", nil, .timestamp),
    ].map { ($0.name, $0) })
  /// Filters that are regular expressions.
  private static let patterns: [String: String] = [
    "name": "name", "display_name": "name", "description": "description", "display_description": "description",
    "hostname": "hostname",
  ]
  private static let other: Set<String> = [
    "all_tenants", "tenant_id", "project_id", "deleted", "soft_deleted", "status", "changes-since", "changes-before",
    "ip", "ip6", "task_state", "locked", "kernel_id", "ramdisk_id", "auto_disk_config", "progress",
  ]

  // MARK: Running

  /// The page that the call asks for, with metadata and tags.
  func page(tx: any Transaction) throws -> (servers: [Server], hasNext: Bool) {
    let filters = try readFilters()
    var conditions = try scope(filters)
    if let status = try statusCondition(filters, tx: tx) { conditions.append(status) }
    for (name, values) in filters {
      if let column = Self.exact[name] { conditions.append(try ListSpec.condition(column, values)) }
    }
    conditions += try tagConditions(filters)
    conditions += try otherConditions(filters, tx: tx)
    if let matching = try patternCondition(filters, conditions, tx: tx) { conditions.append(matching) }
    let spec = ListSpec(
      table: "server", columns: sortColumns, defaultSort: [("created_at", false), ("number", false)], style: .compute)
    let page = try spec.page(try spec.request(sortQuery()), conditions: conditions, tx: tx)
    var shared = SharedServerParts()
    let servers = page.rows.map { Server(row: $0, shared: &shared) }
    return (isDetail ? try ServerStore.complete(servers, tx: tx) : servers, page.hasNext)
  }

  /// The query's filters that count for this caller. Unknown ones are ignored before 2.75 and a 400 fault since.
  private func readFilters() throws -> [String: [String]] {
    let tags = call.since(2, 26) ? Self.tagFilters : []
    let all = Set(Self.exact.keys).union(Self.patterns.keys).union(Self.other).union(tags)
    var allowed = all
    if !auth.isAdmin {
      allowed = Self.userFilters.union(tags)
      if call.since(2, 5) { allowed.insert("ip6") }
      if call.since(2, 66) { allowed.insert("changes-before") }
      if call.since(2, 73) { allowed.insert("locked") }
      if call.since(2, 83) { allowed.formUnion(Self.userFilters283) }
      if call.since(2, 90) { allowed.insert("hostname") }
    }
    var filters: [String: [String]] = [:]
    for item in call.query.items {
      if call.since(2, 75), !all.union(Self.paging).union(Self.joined).contains(item.name) {
        throw Fault.badRequest(
          "Invalid input for query parameters. Additional properties are not allowed ('\(item.name.prefix(80))' was "
            + "unexpected)")
      }
      if auth.isAdmin, Self.joined.contains(item.name) || item.name.hasPrefix("_") {
        throw Fault.badRequest("Invalid filter field: \(item.name.prefix(80)).")
      }
      if allowed.contains(item.name) { filters[item.name, default: []].append(item.value) }
    }
    return filters
  }

  // MARK: Conditions

  private func scope(_ filters: [String: [String]]) throws -> [SQL] {
    var conditions: [SQL] = []
    if try flag("all_tenants", filters, empty: true) {
      guard auth.isAdmin else {
        throw Fault.forbidden(
          ErrorShape.compute.policyMessage(
            "os_compute_api:servers:\(isDetail ? "detail" : "index"):get_all_tenants"))
      }
      if let projects = filters["project_id"] ?? filters["tenant_id"] {
        conditions.append("project_id IN \(list: projects)")
      }
    } else if auth.project != nil {
      conditions.append("project_id = \(auth.projectID)")
    } else {
      conditions.append("user_id = \(auth.user.id)")
    }
    let since = try time("changes-since", filters)
    let before = try time("changes-before", filters)
    if let since, let before, before < since {
      throw Fault.badRequest("The value of changes-since must be less than or equal to changes-before.")
    }
    if let since { conditions.append("updated_at >= \(since)") }
    if let before { conditions.append("updated_at <= \(before)") }
    if let deleted = filters["deleted"]?.last {
      conditions.append(Schema.boolean(.string(deleted)) == true ? "deleted_at IS NOT NULL" : "deleted_at IS NULL")
    } else if since == nil, before == nil, !isListingDeleted(filters) {
      conditions.append("deleted_at IS NULL")
    }
    return conditions
  }

  private func isListingDeleted(_ filters: [String: [String]]) -> Bool {
    filters["status"]?.contains { $0.lowercased() == "deleted" } == true
  }

  private func statusCondition(_ filters: [String: [String]], tx: any Transaction) throws -> SQL? {
    guard let wanted = filters["status"]?.map({ $0.uppercased() }) else { return nil }
    if wanted.contains("DELETED") {
      guard auth.isAdmin else { throw Fault.forbidden("Only administrators may list deleted instances") }
    }
    let known = Set(VMState.allCases.map(\.status)).union(
      ServerJob.allCases.flatMap { job in VMState.allCases.compactMap { job.status(in: $0) } })
    guard wanted.contains(where: known.contains) else {
      if call.since(2, 38) { throw Fault.badRequest("Invalid status value") }
      return "1 = 0"
    }
    // Servers whose live job gives them another status than their state's are few: they are told apart by id.
    let jobs = try liveJobs(tx: tx)
    var alternatives: [SQL] = []
    for state in VMState.allCases {
      let other = jobs.filter { $0.value.status(in: state) != nil }
      if wanted.contains(state.status) {
        alternatives.append("(vm_state = \(state.rawValue) AND id NOT IN \(list: Array(other.keys) + [""]))")
      }
      let matching = other.filter { wanted.contains($0.value.status(in: state) ?? "") }.map(\.key)
      if !matching.isEmpty { alternatives.append("(vm_state = \(state.rawValue) AND id IN \(list: matching))") }
    }
    return SQL.join(alternatives, " OR ")
  }

  /// The kind of the live job by server id.
  private func liveJobs(tx: any Transaction) throws -> [String: ServerJob] {
    var jobs: [String: ServerJob] = [:]
    for row in try tx.query("SELECT subject, kind FROM job WHERE is_live = 1 ORDER BY id") {
      let subject = row.text("subject")
      if subject.hasPrefix("server/"), let kind = ServerJob(rawValue: row.text("kind")) {
        jobs[String(subject.dropFirst(7))] = kind
      }
    }
    return jobs
  }

  private func tagConditions(_ filters: [String: [String]]) throws -> [SQL] {
    func tags(_ name: String) -> [String]? {
      filters[name]?.last.map { $0.split(separator: ",").map(String.init) }
    }
    func having(_ tags: [String]) -> SQL {
      """
      SELECT server_id FROM server_tag WHERE tag IN \(list: tags)
      GROUP BY server_id HAVING COUNT(*) = \(Set(tags).count)
      """
    }
    var conditions: [SQL] = []
    if let all = tags("tags") { conditions.append("id IN (\(having(all)))") }
    if let any = tags("tags-any") {
      conditions.append("id IN (SELECT server_id FROM server_tag WHERE tag IN \(list: any))")
    }
    if let all = tags("not-tags") { conditions.append("id NOT IN (\(having(all)))") }
    if let any = tags("not-tags-any") {
      conditions.append("id NOT IN (SELECT server_id FROM server_tag WHERE tag IN \(list: any))")
    }
    return conditions
  }

  private func otherConditions(_ filters: [String: [String]], tx: any Transaction) throws -> [SQL] {
    var conditions: [SQL] = []
    if filters["locked"] != nil {
      conditions.append(try flag("locked", filters) ? "locked_by IS NOT NULL" : "locked_by IS NULL")
    }
    if let tasks = filters["task_state"] {
      let matching = try liveJobs(tx: tx).filter { job in
        (0...2).contains { tasks.contains(job.value.task(step: $0) ?? "") }
      }
      conditions.append("id IN \(list: Array(matching.keys))")
    }
    if let soft = filters["soft_deleted"]?.last, Schema.boolean(.string(soft)) == true {
      conditions.append("vm_state = \(VMState.softDeleted.rawValue)")
    }
    if let progress = filters["progress"], !progress.contains("0") { conditions.append("1 = 0") }
    if let disk = filters["auto_disk_config"]?.last {
      conditions.append("auto_disk = \(Schema.boolean(.string(disk)) ?? (disk == "AUTO"))")
    }
    return conditions
  }

  /// Ids of the servers among those of `conditions` that match the regular expressions of the query.
  private func patternCondition(
    _ filters: [String: [String]], _ conditions: [SQL], tx: any Transaction
  ) throws -> SQL? {
    var columns: [(String, ServerPattern)] = []
    for (filter, column) in Self.patterns {
      for text in filters[filter] ?? [] { columns.append((column, try ServerPattern(text, filter: filter))) }
    }
    var addresses: [(Int, ServerPattern)] = []
    for text in filters["ip"] ?? [] { addresses.append((4, try ServerPattern(text, filter: "ip"))) }
    for text in filters["ip6"] ?? [] { addresses.append((6, try ServerPattern(text, filter: "ip6"))) }
    guard !columns.isEmpty || !addresses.isEmpty else { return nil }
    let rows = try tx.query(
      """
      SELECT id, name, description, hostname FROM server
      WHERE \(SQL.join(conditions.map { "(\($0))" }, " AND "))
      """)
    var ids = rows.filter { row in columns.allSatisfy { $0.1.matches(row.text($0.0)) } }.map { $0.text("id") }
    guard ids.count < 30_000 else {
      throw Fault.badRequest("More than 30,000 servers match these filters: narrow them.")
    }
    if !addresses.isEmpty {
      let ports = try service.ports.ports(ofServers: ids, tx: tx)
      ids = ids.filter { id in
        let fixed = (ports[id] ?? []).flatMap(\.fixedIPs)
        return addresses.allSatisfy { version, pattern in
          fixed.contains { $0.version == version && pattern.matches($0.address) }
        }
      }
    }
    return "id IN \(list: ids)"
  }

  private func flag(_ name: String, _ filters: [String: [String]], empty: Bool = false) throws -> Bool {
    guard let text = filters[name]?.last else { return false }
    if text.isEmpty, empty { return true }
    guard let value = Schema.boolean(.string(text)) else {
      throw Fault.badRequest("Invalid value '\(text.prefix(40))' for \(name): it must be a boolean.")
    }
    return value
  }

  private func time(_ name: String, _ filters: [String: [String]]) throws -> Timestamp? {
    guard let text = filters[name]?.last else { return nil }
    guard let time = Timestamp(text) else { throw Fault.badRequest("Invalid filter field: \(name).") }
    return time
  }

  // MARK: Sorting

  /// Sort keys that upstream accepts and ignores before 2.75.
  private static let ignoredSortKeys: Set<String> = [
    "architecture", "cell_name", "cleaned", "default_ephemeral_device", "default_swap_device", "deleted", "deleted_at",
    "disable_terminate", "ephemeral_gb", "ephemeral_key_uuid", "id", "key_data", "launched_on", "memory_mb",
    "os_type", "reservation_id", "root_gb", "shutdown_terminate", "user_data", "vcpus", "vm_mode",
  ]

  private var sortColumns: [ListColumn] {
    func column(_ name: String, _ column: String, _ kind: ListColumn.Kind = .text) -> ListColumn {
      ListColumn(name, column, kind, filter: false)
    }
    return [
      column("access_ip_v4", "access_ipv4"), column("access_ip_v6", "access_ipv6"),
      column("auto_disk_config", "auto_disk", .int), column("availability_zone", "zone"),
      column("config_drive", "config_drive", .int), column("created_at", "created_at", .int),
      column("display_description", "description"), column("display_name", "name"), column("host", "host"),
      column("hostname", "hostname"), column("image_ref", "image_id"), column("instance_type_id", "flavor_id"),
      column("key_name", "key_name"), column("launch_index", "launch_index", .int),
      column("launched_at", "launched_at", .int), column("locked_by", "locked_by"), column("locked", "locked_by"),
      column("node", "host"), column("number", "number", .int), column("power_state", "power_state", .int),
      column("progress", "launch_index * 0", .int), column("project_id", "project_id"), column("kernel_id", "image_id"),
      column("ramdisk_id", "image_id"), column("root_device_name", "root_device"), column("task_state", "vm_state"),
      column("terminated_at", "terminated_at", .int), column("updated_at", "updated_at", .int),
      column("user_id", "user_id"), column("uuid", "id"), column("vm_state", "vm_state"),
    ]
  }

  /// The query with the sort keys that count.
  private func sortQuery() throws -> Query {
    var items = call.query.items.filter { $0.name == "limit" || $0.name == "marker" }.map { ($0.name, $0.value) }
    let directions = call.query.all("sort_dir")
    for (index, key) in call.query.all("sort_key").enumerated() {
      if !call.since(2, 75), Self.ignoredSortKeys.contains(key) || (key == "locked" && !call.since(2, 73)) { continue }
      guard key != "number" else { throw Fault.badRequest("Cannot sort by 'number': it is no sort key of this list.") }
      if key == "host" || key == "node", !auth.isAdmin {
        throw Fault.forbidden("Only administrators can sort servers by \(key)")
      }
      items.append(("sort_key", key))
      // One direction without a partner counts for all keys; upstream's default is descending.
      items.append(("sort_dir", index < directions.count ? directions[index] : directions.last ?? "desc"))
    }
    return Query(items)
  }
}

import Kit
import Store

/// What a backend has and has promised.
struct Pool: Sendable {
  let backend: BlockStorageSettings.Backend
  let totalGB: Double
  let freeGB: Double
  let promisedGB: Int
  let isEnabled: Bool

  /// The answer of `scheduler-stats` and `capabilities`.
  func capabilities(_ settings: BlockStorageSettings, now: Timestamp) -> JSONObject {
    [
      "volume_backend_name": .string(backend.name), "pool_name": .string(backend.name),
      "vendor_name": "Open Source", "driver_version": "1.0", "storage_protocol": "file",
      "total_capacity_gb": .double(totalGB), "free_capacity_gb": .double(freeGB),
      "allocated_capacity_gb": .int(promisedGB), "provisioned_capacity_gb": .int(promisedGB),
      "max_over_subscription_ratio": .string(String(settings.overSubscriptionRatio)), "reserved_percentage": 0,
      "thin_provisioning_support": .bool(backend.format == "qcow2"), "thick_provisioning_support": false,
      "multiattach": true, "QoS_support": true, "backend_state": isEnabled ? "up" : "down",
      "timestamp": .string(now.iso8601Micros),
    ]
  }
}

/// Chooses the backend of a volume by its type's extra specs and by space; says why when none fits.
struct Placing: Sendable {
  let settings: BlockStorageSettings

  func pools(tx: any Transaction) throws -> [Pool] {
    let promised = Dictionary(
      try tx.query("SELECT backend, SUM(size) AS size FROM bs_volume GROUP BY backend").map {
        ($0.text("backend"), $0.int("size"))
      }
    ) { first, _ in first }
    let services = try ServiceStore.volumeServices(tx: tx)
    return settings.backends.map { backend in
      let space = (try? FileBackend(settings: backend).space()) ?? (total: 0, free: 0)
      let service = services["\(settings.host)@\(backend.name)"]
      return Pool(
        backend: backend, totalGB: Double(space.total >> 20) / 1024, freeGB: Double(space.free >> 20) / 1024,
        promisedGB: promised[backend.name] ?? 0,
        isEnabled: service?.bool("disabled") != true && service?.bool("frozen") != true && space.total > 0)
    }
  }

  /// The backend for a volume of `size` GB; the message says for every backend why it is none.
  func choose(
    size: Int, specs: [String: String], prefer: String? = nil, tx: any Transaction
  ) throws -> (backend: BlockStorageSettings.Backend?, reason: String) {
    var reasons: [String] = []
    let candidates = try pools(tx: tx).sorted {
      ($0.backend.name == prefer ? 0 : 1, -$0.freeGB) < ($1.backend.name == prefer ? 0 : 1, -$1.freeGB)
    }
    for pool in candidates {
      let reason = refusal(pool, size: size, specs)
      guard let reason else { return (pool.backend, "") }
      reasons.append("\(pool.backend.name): \(reason)")
    }
    return (nil, "No storage could be allocated for this volume request. \(reasons.joined(separator: "; "))")
  }

  private func refusal(_ pool: Pool, size: Int, _ specs: [String: String]) -> String? {
    let own = pool.capabilities(settings, now: Timestamp(microseconds: 0))
    for (name, wanted) in specs.sorted(by: { $0.key < $1.key }) {
      let parts = name.split(separator: ":", maxSplits: 1).map(String.init)
      guard parts.count == 1 || parts[0] == "capabilities", let key = parts.last, key != "multiattach" else { continue }
      // How a volume reaches a guest and how it is cleared is no matter of where it is.
      if key == "storage_protocol" || key == "volume_clear" { continue }
      if key == "replication_enabled" {
        if wanted.hasSuffix("True") { return "it does not replicate" }
        continue
      }
      let has = own[key].map { $0.string ?? $0.text } ?? "nothing"
      if !Self.fits(wanted, has) { return "\(key) is \(has), the type asks for \(wanted)" }
    }
    guard pool.isEnabled else { return "it is disabled, frozen or its folder \(pool.backend.folder) is missing" }
    let capacity = Int(pool.totalGB * settings.overSubscriptionRatio)
    if pool.promisedGB + size > capacity {
      return "\(pool.promisedGB) GB of at most \(capacity) GB are promised, \(size) GB were asked for"
    }
    return pool.freeGB < 0.01 ? "no space is left" : nil
  }
  private static func fits(_ wanted: String, _ has: String) -> Bool {
    let text = wanted.hasPrefix("<is> ") ? String(wanted.dropFirst(5)) : wanted
    return text.lowercased() == has.lowercased()
  }
}

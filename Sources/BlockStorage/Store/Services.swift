import Kit
import Store

/// The service's parts as `os-services` lists them: they all live in this process.
enum ServiceStore {
  /// Writes the rows of this node's parts that are not there yet.
  static func register(_ settings: BlockStorageSettings, now: Timestamp, tx: any Transaction) throws {
    var parts = [("cinder-scheduler", settings.host), ("cinder-backup", settings.host)]
    parts += settings.backends.map { ("cinder-volume", "\(settings.host)@\($0.name)") }
    for (binary, host) in parts {
      let found = try Table.service.count("service_binary = \(binary) AND host = \(host)", tx: tx)
      if found == 0 {
        try Table.service.insert(
          ["id": UUIDText.make(), "service_binary": binary, "host": host, "created_at": now, "updated_at": now], tx: tx)
      }
    }
  }
  /// Ids of the volume services by `host@backend`.
  static func volumeServices(tx: any Transaction) throws -> [String: Row] {
    let rows = try Table.service.all("service_binary = 'cinder-volume'", tx: tx)
    return Dictionary(rows.map { ($0.text("host"), $0) }) { first, _ in first }
  }
}

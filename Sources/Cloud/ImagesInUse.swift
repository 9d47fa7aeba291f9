import Host
import Kit

/// Which image files the guests of this node use: their disks are layers above them, and they boot from them.
struct ImagesInUse: Sendable {
  /// The folder of the hypervisor's driver, which has its guests below it.
  let guests: String

  /// Whether any guest's record names the file. A record that cannot be read counts as naming every file.
  func contains(_ path: String) -> Bool {
    let folders = [guests + "/guests", guests + "/fake-guests"]
    for folder in folders where HostFiles.exists(folder) {
      guard let names = try? HostFiles.list(folder) else { return true }
      for name in names {
        let record = folder == folders[0] ? "\(folder)/\(name)/spec.json" : "\(folder)/\(name)"
        guard HostFiles.exists(record) else { continue }
        guard let value = try? HostFiles.loadJSON(record), let spec = value["spec"] else { return true }
        if Self.paths(spec).contains(path) { return true }
      }
    }
    return false
  }

  private static func paths(_ spec: JSONValue) -> [String] {
    let bases = (spec["disks"]?.array ?? []).compactMap { $0["basePath"]?.string }
    return bases + ["kernelPath", "ramdiskPath"].compactMap { spec[$0]?.string }
  }
}

import API
import Config
import Foundation
import Kit
import Logs

/// Every route of every service as lines of tab-separated values: what documentation and coverage are derived from.
public enum RouteListing {
  public static func lines() throws -> [String] {
    let folder = StateFolder("/tmp/martlet-routes-" + UUIDText.makeHex().prefix(12))
    defer { try? FileManager.default.removeItem(atPath: folder.path) }
    try folder.create()
    var configuration = Configuration()
    try configuration.set("hypervisor.driver", "fake", source: "routes")
    try configuration.set("network.driver", "fake", source: "routes")
    let services = try CloudServices(configuration: configuration, state: folder, logs: LogCenter(directory: nil))
    var lines = ["service\tmethod\tpath\taction\tsince\tuntil\tpolicy"]
    for api in services.apis {
      for route in api.routes {
        let fields = [
          api.name, route.method, route.pattern, route.action ?? "", route.since?.description ?? "",
          route.until?.description ?? "", route.policy.name,
        ]
        lines.append(fields.joined(separator: "\t"))
      }
    }
    try services.database.close()
    return lines
  }
}

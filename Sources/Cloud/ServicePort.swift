import Config
import Identity
import Kit

/// A service's place in the catalog: upstream's type, name and port.
public struct ServicePort: Sendable {
  /// `identity`, `compute` …: the name of its API, its log and its policy listing.
  public let service: String
  public let catalogType: String
  public let catalogName: String
  public let port: Int
  /// What the catalog's URL has behind the port.
  public let suffix: String

  /// Upstream's own ports (ARCHITECTURE, Ports).
  public static let all: [ServicePort] = [
    ServicePort(service: "identity", catalogType: "identity", catalogName: "keystone", port: 5000, suffix: "/v3"),
    ServicePort(service: "image", catalogType: "image", catalogName: "glance", port: 9292, suffix: ""),
    ServicePort(service: "compute", catalogType: "compute", catalogName: "nova", port: 8774, suffix: "/v2.1"),
    ServicePort(service: "placement", catalogType: "placement", catalogName: "placement", port: 8778, suffix: ""),
    ServicePort(service: "network", catalogType: "network", catalogName: "neutron", port: 9696, suffix: ""),
    ServicePort(
      service: "block-storage", catalogType: "block-storage", catalogName: "cinder", port: 8776, suffix: "/v3"),
    // The name by which older clients look for it.
    ServicePort(
      service: "block-storage", catalogType: "volumev3", catalogName: "cinderv3", port: 8776, suffix: "/v3"),
  ]

  /// The dashboard: a page for people, so the catalog does not have it.
  public static let dashboard = ServicePort(
    service: "dashboard", catalogType: "", catalogName: "", port: 8443, suffix: "")

  /// The WebSocket proxy of consoles, on the port of upstream's novncproxy; Compute tells its URL.
  public static let console = ServicePort(
    service: "console", catalogType: "", catalogName: "", port: 6080, suffix: "/vnc_auto.html")

  public func port(_ configuration: Configuration) -> Int { port + configuration.int("api.port_offset") }
  public func url(_ configuration: Configuration) -> String {
    let address = configuration.text("api.address")
    let host = address.contains(":") ? "[\(address)]" : address
    return "http://\(host):\(port(configuration))\(suffix)"
  }
  public static func authURL(_ configuration: Configuration) -> String { all[0].url(configuration) }

  /// What clients find. Block Storage may be left out: tests of clients without it.
  static func catalog(_ configuration: Configuration) -> [CatalogEndpoint] {
    all.filter { $0.service != "block-storage" || configuration.bool("volumes.in_catalog") }.map {
      CatalogEndpoint(serviceType: $0.catalogType, serviceName: $0.catalogName, url: $0.url(configuration))
    }
  }
}

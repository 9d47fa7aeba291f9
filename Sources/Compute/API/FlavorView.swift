import API
import Kit

/// Flavors as JSON, by microversion (API reference, Flavors).
enum FlavorView {
  static func brief(_ flavor: Flavor, _ call: Call) -> JSONValue {
    var view: JSONObject = [
      "id": .string(flavor.id), "name": .string(flavor.name), "links": ComputeLinks.make(call, "flavors", flavor.id),
    ]
    if call.since(2, 55) { view.append("description", .optional(flavor.description)) }
    return .object(view)
  }

  static func full(_ flavor: Flavor, _ call: Call) -> JSONValue {
    var view: JSONObject = [
      "id": .string(flavor.id), "name": .string(flavor.name), "ram": .int(flavor.memoryMB),
      "disk": .int(flavor.diskGB), "swap": flavor.swapMB == 0 && !call.since(2, 75) ? "" : .int(flavor.swapMB),
      "OS-FLV-EXT-DATA:ephemeral": .int(flavor.ephemeralGB), "vcpus": .int(flavor.vcpus),
      "os-flavor-access:is_public": .bool(flavor.isPublic), "links": ComputeLinks.make(call, "flavors", flavor.id),
    ]
    if !call.since(2, 102) {
      view.append("OS-FLV-DISABLED:disabled", .bool(flavor.isDisabled))
      view.append("rxtx_factor", .double(flavor.rxtxFactor))
    }
    if call.since(2, 55) { view.append("description", .optional(flavor.description)) }
    if call.since(2, 61), showsSpecs(call) { view.append("extra_specs", specs(flavor)) }
    return .object(view)
  }

  /// `os_compute_api:os-flavor-extra-specs:index` decides whether the views hold extra specs.
  private static func showsSpecs(_ call: Call) -> Bool {
    guard let auth = call.identity else { return false }
    return CataloguePolicy.reader("os-flavor-extra-specs:index").rule.allows(auth)
  }

  static func specs(_ flavor: Flavor) -> JSONValue {
    .object(JSONObject(flavor.extraSpecs.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) }))
  }
}

/// A microversion `major.minor` of a service's API.
public struct Microversion: Sendable, Hashable, Comparable, CustomStringConvertible {
  public let major: Int
  public let minor: Int
  public init(_ major: Int, _ minor: Int) { (self.major, self.minor) = (major, minor) }
  /// Reads `2.79`; nil for anything else.
  public init?(_ text: String) {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 2, let major = Int(parts[0]), let minor = Int(parts[1]), major > 0, minor >= 0,
      parts.allSatisfy({ $0.utf8.allSatisfy { $0 >= 48 && $0 <= 57 } }), parts[1].count == 1 || parts[1].first != "0"
    else { return nil }
    self.init(major, minor)
  }
  public static func < (left: Microversion, right: Microversion) -> Bool {
    (left.major, left.minor) < (right.major, right.minor)
  }
  public var description: String { "\(major).\(minor)" }
}

/// The microversions that a service serves, and the names its headers use.
public struct MicroversionSupport: Sendable {
  /// `compute`, `placement`, `volume` in `OpenStack-API-Version: compute 2.79`.
  public let service: String
  public let min: Microversion
  public let max: Microversion
  /// Nova's older header of its own, or nil.
  public let legacyHeader: String?

  public init(service: String, min: Microversion, max: Microversion, legacyHeader: String? = nil) {
    (self.service, self.min, self.max, self.legacyHeader) = (service, min, max, legacyHeader)
  }

  enum Choice { case version(Microversion), malformed(String), outOfRange(Microversion) }

  /// The version that a request asks for; the minimum when it names none (errors-and-conventions §2).
  func choose(_ headers: Headers) -> Choice {
    var wanted: String?
    for value in headers.all("OpenStack-API-Version") {
      for entry in value.split(separator: ",") {
        let words = entry.split(separator: " ")
        if words.count == 2, words[0].lowercased() == service { wanted = String(words[1]) }
      }
    }
    if wanted == nil, let legacyHeader { wanted = headers[legacyHeader] }
    guard let wanted else { return .version(min) }
    if wanted == "latest" { return .version(max) }
    guard let version = Microversion(wanted) else { return .malformed(wanted) }
    return version >= min && version <= max ? .version(version) : .outOfRange(version)
  }
}

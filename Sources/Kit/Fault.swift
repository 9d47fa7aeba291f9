/// What went wrong, for the person who has to act on it. The API's edge gives it each service's own JSON shape.
public struct Fault: Error, Sendable, Equatable, CustomStringConvertible {
  /// The HTTP status.
  public var status: Int
  /// A machine-readable kind where a service's error shape has one (Network's exception name, Placement's error code).
  public var kind: String
  /// Cause, the numbers, what to do next.
  public var message: String
  /// Extra response headers.
  public var headers: [String: String]
  /// Structured reasons (host → requirement → asked, had), kept with the resource.
  public var explanation: JSONValue

  public init(
    _ status: Int, kind: String = "", _ message: String, headers: [String: String] = [:], explanation: JSONValue = .null
  ) {
    (self.status, self.kind, self.message) = (status, kind, message)
    (self.headers, self.explanation) = (headers, explanation)
  }

  public var description: String { "\(status)\(kind.isEmpty ? "" : " \(kind)"): \(message)" }

  public static func badRequest(_ message: String, kind: String = "") -> Fault { Fault(400, kind: kind, message) }
  public static func unauthorized(_ message: String = "The request you have made requires authentication.") -> Fault {
    Fault(401, message)
  }
  public static func forbidden(_ message: String, kind: String = "") -> Fault { Fault(403, kind: kind, message) }
  public static func notFound(_ message: String, kind: String = "") -> Fault { Fault(404, kind: kind, message) }
  public static func conflict(_ message: String, kind: String = "") -> Fault { Fault(409, kind: kind, message) }
  public static func `internal`(_ message: String) -> Fault { Fault(500, message) }
  public static func unavailable(_ message: String) -> Fault { Fault(503, message) }

  /// Any error as a fault: a fault stays, everything else is a 500 with its description.
  public init(_ error: any Error) {
    self = (error as? Fault) ?? Fault(500, "\(error)")
  }

  /// For storing with a job or a resource.
  public var json: JSONValue {
    ["status": .int(status), "kind": .string(kind), "message": .string(message), "explanation": explanation]
  }
  /// Reads what `json` wrote.
  public init(json: JSONValue) {
    self.init(
      json["status"]?.int ?? 500, kind: json["kind"]?.string ?? "", json["message"]?.string ?? "",
      explanation: json["explanation"] ?? .null)
  }
}

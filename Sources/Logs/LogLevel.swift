/// How much a message matters. AUDIT records who did what, and is never switched off by a lower verbosity than WARNING.
public enum LogLevel: Int, Sendable, CaseIterable, Comparable {
  case trace, debug, info, audit, warning, error, critical

  public static func < (left: LogLevel, right: LogLevel) -> Bool { left.rawValue < right.rawValue }
  /// The name in log files and on the command line: `TRACE` … `CRITICAL`.
  public var name: String {
    switch self {
    case .trace: "TRACE"
    case .debug: "DEBUG"
    case .info: "INFO"
    case .audit: "AUDIT"
    case .warning: "WARNING"
    case .error: "ERROR"
    case .critical: "CRITICAL"
    }
  }
  /// Reads a name in any case.
  public init?(name: String) {
    guard let level = Self.allCases.first(where: { $0.name == name.uppercased() }) else { return nil }
    self = level
  }
}

/// One line of a log.
public struct LogRecord: Sendable {
  public let time: String
  public let level: LogLevel
  public let service: String
  public let requestID: String
  public let message: String

  /// `2026-01-02T03:04:05.000000Z LEVEL service [request] message`, control characters replaced so that a hostile text
  /// cannot forge a line.
  public var line: String {
    let request = requestID.isEmpty ? "-" : requestID
    let clean = String(message.map { $0.isNewline || $0.asciiValue.map { $0 < 32 } == true ? " " : $0 })
    return "\(time) \(level.name) \(service) [\(request)] \(clean)"
  }
}

import Foundation
import Kit
import Synchronization

/// All logs of a process: a folder with `<service>/<service>.log` per service, a level per service that can be switched
/// while it runs, and the latest records in memory for the dashboard.
public final class LogCenter: Sendable {
  private struct State {
    var levels: [String: LogLevel] = [:]
    var files: [String: FileHandle] = [:]
    var recent: [LogRecord] = []
  }

  /// Records kept in memory.
  public static let recentMax = 2000
  private let directory: String?
  private let defaultLevel: LogLevel
  private let clock: any WallClock
  private let state = Mutex(State())

  /// `directory` nil: nothing is written to files (tests).
  public init(directory: String?, level: LogLevel = .info, clock: any WallClock = SystemClock()) {
    (self.directory, self.defaultLevel, self.clock) = (directory, level, clock)
  }

  /// The logger of a service: `identity`, `compute`, `network-node`.
  public func logger(_ service: String) -> Log { Log(center: self, service: service, requestID: "") }

  public func setLevel(_ level: LogLevel, of service: String) { state.withLock { $0.levels[service] = level } }
  public func level(of service: String) -> LogLevel { state.withLock { $0.levels[service] } ?? defaultLevel }
  /// Services that have logged, with their levels.
  public func levels() -> [String: LogLevel] {
    state.withLock { state in
      var all = state.levels
      for service in state.files.keys where all[service] == nil { all[service] = defaultLevel }
      return all
    }
  }
  /// The latest records of a service (nil: of all), oldest first.
  public func recent(service: String?, count: Int) -> [LogRecord] {
    state.withLock { $0.recent.filter { service == nil || $0.service == service }.suffix(count) }
  }

  func write(_ level: LogLevel, service: String, requestID: String, _ message: String) {
    let record = LogRecord(
      time: clock.now().iso8601MicrosZ, level: level, service: service, requestID: requestID, message: message)
    state.withLock { state in
      if state.recent.count >= Self.recentMax { state.recent.removeFirst(Self.recentMax / 4) }
      state.recent.append(record)
      guard let directory else { return }
      if state.files[service] == nil { state.files[service] = Self.open("\(directory)/\(service)", "\(service).log") }
      try? state.files[service]?.write(contentsOf: Data((record.line + "\n").utf8))
    }
  }

  private static func open(_ folder: String, _ name: String) -> FileHandle? {
    try? FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o750])
    let path = "\(folder)/\(name)"
    if !FileManager.default.fileExists(atPath: path) {
      _ = FileManager.default.createFile(atPath: path, contents: nil, attributes: [.posixPermissions: 0o640])
    }
    let handle = FileHandle(forWritingAtPath: path)
    _ = try? handle?.seekToEnd()
    return handle
  }
}

/// The logger of one service, and of one request where it has an id.
public struct Log: Sendable {
  let center: LogCenter
  public let service: String
  public let requestID: String

  /// The same logger for one request.
  public func request(_ id: String) -> Log { Log(center: center, service: service, requestID: id) }
  /// The level at which this service logs now.
  public var level: LogLevel { center.level(of: service) }
  /// Switches this service's level while it runs.
  public func setLevel(_ level: LogLevel) { center.setLevel(level, of: service) }

  public func log(_ level: LogLevel, _ message: @autoclosure () -> String) {
    guard level >= center.level(of: service) else { return }
    center.write(level, service: service, requestID: requestID, message())
  }
  public func trace(_ message: @autoclosure () -> String) { log(.trace, message()) }
  public func debug(_ message: @autoclosure () -> String) { log(.debug, message()) }
  public func info(_ message: @autoclosure () -> String) { log(.info, message()) }
  /// Who did what: authentication and every change. Never a secret.
  public func audit(_ message: @autoclosure () -> String) { log(.audit, message()) }
  public func warning(_ message: @autoclosure () -> String) { log(.warning, message()) }
  public func error(_ message: @autoclosure () -> String) { log(.error, message()) }
  public func critical(_ message: @autoclosure () -> String) { log(.critical, message()) }
}

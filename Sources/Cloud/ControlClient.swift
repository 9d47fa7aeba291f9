import Foundation
import Host
import Kit

/// Asks the process that serves a state folder. Blocking: for the command line only.
public struct ControlClient: Sendable {
  private let path: String

  public init(_ state: StateFolder) { path = state.control }

  /// Sends a call and reads the answer. nil when no process serves the state; a fault when it refuses.
  public func call(_ method: String, _ target: String, body: JSONValue = .null) throws -> JSONValue? {
    guard let socket = try? HostSocket.connectUnix(path) else { return nil }
    defer { close(socket) }
    let bytes = body.isNull ? [] : body.bytes
    let head =
      "\(method) \(target) HTTP/1.1\r\nHost: control\r\nConnection: close\r\nContent-Type: application/json\r\n"
      + "Content-Length: \(bytes.count)\r\n\r\n"
    guard let answer = PlainHTTP.exchange(socket, Array(head.utf8) + bytes) else { return nil }
    guard let end = answer.firstRange(of: Array("\r\n\r\n".utf8)) else { return nil }
    let status = String(decoding: answer[..<end.lowerBound], as: UTF8.self).split(separator: " ").dropFirst().first
    let value = (try? JSONParser.parse(Array(answer[end.upperBound...]))) ?? .null
    guard let code = status.flatMap({ Int($0) }), code < 400 else {
      throw Fault(status.flatMap { Int($0) } ?? 500, value["error"]?.string ?? "The running process refused the call.")
    }
    return value
  }

  public func status() throws -> JSONValue? { try call("GET", "/status") }
}

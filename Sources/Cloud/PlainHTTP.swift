import Foundation
import Host

/// The few HTTP exchanges of the command line itself: one request a connection, blocking, with a time limit.
enum PlainHTTP {
  static let timeLimitSeconds = 15

  /// Sends a request and reads until the other side closes. nil when it does not answer.
  static func exchange(_ socket: CInt, _ request: [UInt8]) -> [UInt8]? {
    _ = fcntl(socket, F_SETFL, fcntl(socket, F_GETFL) & ~O_NONBLOCK)
    var limit = timeval(tv_sec: timeLimitSeconds, tv_usec: 0)
    for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
      setsockopt(socket, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
    }
    var sent = 0
    while sent < request.count {
      let count = request[sent...].withUnsafeBytes { send(socket, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL)) }
      guard count > 0 else { return nil }
      sent += count
    }
    var (answer, buffer): ([UInt8], [UInt8]) = ([], [UInt8](repeating: 0, count: 16_384))
    while true {
      let count = read(socket, &buffer, buffer.count)
      guard count > 0 else { return answer.isEmpty ? nil : answer }
      answer += buffer[..<count]
    }
  }

  /// The status that a server answers to a GET, or nil.
  static func status(address: String, port: Int, path: String) -> Int? {
    guard let socket = try? HostSocket.connect(address: address, port: port) else { return nil }
    defer { close(socket) }
    let request = "GET \(path) HTTP/1.1\r\nHost: \(address):\(port)\r\nConnection: close\r\n\r\n"
    guard let answer = exchange(socket, Array(request.utf8)) else { return nil }
    return String(decoding: answer.prefix(64), as: UTF8.self).split(separator: " ").dropFirst().first.flatMap {
      Int($0)
    }
  }
}

import CLinux
import Glibc
import Kit

/// Feeds a process its input and takes its output until it ends.
struct CommandExchange {
  private(set) var stdout: [UInt8] = []
  private(set) var stderr: [UInt8] = []
  private let input: [UInt8]
  private var written = 0
  // Our ends of the pipes, and until the process has started its own. The only references: nil closes.
  private var inputEnd: Descriptor?
  private var outputEnd: Descriptor?
  private var errorEnd: Descriptor?
  private var childEnds: [Descriptor]
  private var buffer = [UInt8](repeating: 0, count: 64 << 10)

  init(input: [UInt8]) throws {
    self.input = input
    let pipes = try (0..<3).map { _ in try Self.pipe() }
    inputEnd = input.isEmpty ? nil : pipes[0].write
    (outputEnd, errorEnd) = (pipes[1].read, pipes[2].read)
    childEnds = [pipes[0].read, pipes[1].write, pipes[2].write]
    for end in [inputEnd, outputEnd, errorEnd] { if let end { _ = fcntl(end.number, F_SETFL, O_NONBLOCK) } }
    // A process that ends without reading its input must not end us; the thread that does this ends after it.
    var broken = sigset_t()
    sigemptyset(&broken)
    sigaddset(&broken, SIGPIPE)
    pthread_sigmask(SIG_BLOCK, &broken, nil)
  }

  /// Starts the process with its ends of the pipes, which are closed here after it.
  mutating func withChildEnds(_ start: (CInt, CInt, CInt) throws -> pid_t) rethrows -> pid_t {
    defer { childEnds = [] }
    return try start(childEnds[0].number, childEnds[1].number, childEnds[2].number)
  }

  private static func pipe() throws -> (read: Descriptor, write: Descriptor) {
    var ends: [CInt] = [-1, -1]
    try HostError.check(clinux_pipe(&ends), "a pipe could not be made")
    return (Descriptor(ends[0]), Descriptor(ends[1]))
  }

  /// True when the process ended before `end`. `process`: its pidfd, or negative on a kernel without it: then the end
  /// of its output counts.
  mutating func run(process: CInt, until end: ContinuousClock.Instant) -> Bool {
    while true {
      let left = end - ContinuousClock.now
      guard left > .zero else { return false }
      var polls = [
        pollfd(fd: process, events: Int16(POLLIN), revents: 0),
        pollfd(fd: outputEnd?.number ?? -1, events: Int16(POLLIN), revents: 0),
        pollfd(fd: errorEnd?.number ?? -1, events: Int16(POLLIN), revents: 0),
        pollfd(fd: inputEnd?.number ?? -1, events: Int16(POLLOUT), revents: 0),
      ]
      let milliseconds = left.components.seconds > 3600 ? 3_600_000 : left.components.seconds * 1000 + 1
      if poll(&polls, 4, CInt(milliseconds)) < 0, errno != EINTR { return false }
      if polls[3].revents != 0 { feed() }
      if polls[1].revents != 0, !Self.drain(outputEnd, into: &stdout, &buffer) { outputEnd = nil }
      if polls[2].revents != 0, !Self.drain(errorEnd, into: &stderr, &buffer) { errorEnd = nil }
      if polls[0].revents != 0 || (process < 0 && outputEnd == nil && errorEnd == nil) {
        _ = Self.drain(outputEnd, into: &stdout, &buffer)
        _ = Self.drain(errorEnd, into: &stderr, &buffer)
        return true
      }
    }
  }

  private mutating func feed() {
    guard let end = inputEnd else { return }
    let count = input.withUnsafeBytes { bytes in
      write(end.number, bytes.baseAddress.map { $0 + written }, bytes.count - written)
    }
    if count > 0 { written += count }
    if written == input.count || (count < 0 && errno != EAGAIN && errno != EINTR) { inputEnd = nil }
  }

  /// Reads what is there; false at the end of the stream.
  private static func drain(_ end: Descriptor?, into text: inout [UInt8], _ buffer: inout [UInt8]) -> Bool {
    guard let end else { return false }
    while true {
      let count = read(end.number, &buffer, buffer.count)
      if count > 0 {
        text.append(contentsOf: buffer[..<min(count, Limits.commandOutputBytesMax - text.count)])
      } else if count < 0, errno == EINTR {
        continue
      } else {
        return count < 0 && errno == EAGAIN
      }
    }
  }
}

import CLinux
import Glibc
import Kit

/// What a command answered.
public struct CommandOutput: Sendable {
  /// Exit status, or 128 + the signal that ended it, as shells count.
  public var status: Int32
  /// At most `Limits.commandOutputBytesMax` bytes each; the rest was read and dropped.
  public var stdout: [UInt8]
  public var stderr: [UInt8]
  /// Standard output as text.
  public var text: String { String(decoding: stdout, as: UTF8.self) }

  public init(status: Int32, stdout: [UInt8] = [], stderr: [UInt8] = []) {
    (self.status, self.stdout, self.stderr) = (status, stdout, stderr)
  }
}

/// A program that is run to its end: an argument list, never a shell. Its input is `input`, it leads its own process
/// group, and of our descriptors it gets no other. It is done when the program ends, even when a daemon that it left
/// behind keeps its output open. Cancelling the task does not stop it: its deadline does.
public struct Command: Sendable {
  public var program: String
  public var arguments: [String]
  public var input: [UInt8]
  public var deadline: Duration
  public var namespace: NetworkNamespace?
  public var environment: [String: String]?

  /// `program`: a path, or a name that is searched in PATH and the system's folders. `environment` nil: ours, with
  /// messages in English.
  public init(
    _ program: String, _ arguments: [String], input: [UInt8] = [], deadline: Duration = .seconds(30),
    namespace: NetworkNamespace? = nil, environment: [String: String]? = nil
  ) {
    (self.program, self.arguments, self.input, self.deadline) = (program, arguments, input, deadline)
    (self.namespace, self.environment) = (namespace, environment)
  }

  /// Runs it. Throws a fault that names the command when it cannot be started or has not ended by its deadline (then it
  /// was killed); every exit status is an answer.
  public func run() async throws -> CommandOutput {
    try await HostThread.run { try execute() }
  }

  /// Runs it and returns its standard output. A status other than 0 is a fault with the last lines of its errors.
  public func check() async throws -> String {
    let output = try await run()
    guard output.status == 0 else {
      let errors = output.stderr.isEmpty ? output.stdout : output.stderr
      let lines = String(decoding: errors.suffix(4000), as: UTF8.self).split(separator: "\n").suffix(5)
      throw Fault.internal(
        "\(name) failed with status \(output.status): \(lines.joined(separator: "; "))".trimmingSpace)
    }
    return output.text
  }

  /// The command for messages, shortened.
  var name: String {
    let text = ([program] + arguments).joined(separator: " ")
    return text.count > 240 ? text.prefix(240) + "…" : text
  }

  static let searchPath: [String] = {
    let own = getenv("PATH").map { String(cString: $0).split(separator: ":").map(String.init) } ?? []
    let system = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
    return own.filter { $0.hasPrefix("/") } + system.filter { !own.contains($0) }
  }()

  /// Debian packages of programs that a node uses, for messages.
  static let packages = [
    "qemu-system-x86_64": "qemu-system-x86", "qemu-img": "qemu-utils", "ip": "iproute2", "bridge": "iproute2",
    "tc": "iproute2", "nft": "nftables", "dnsmasq": "dnsmasq-base", "radvd": "radvd", "conntrack": "conntrack",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client", "mke2fs": "e2fsprogs", "keepalived": "keepalived", "haproxy": "haproxy",
    "arping": "iputils-arping", "ping": "iputils-ping", "grub-mkimage": "grub-common",
  ]

  /// Absolute path of a program; a fault that says what to install when it is not there.
  public static func path(of program: String) throws -> String {
    if program.contains("/") { return program }
    for folder in searchPath where access("\(folder)/\(program)", X_OK) == 0 { return "\(folder)/\(program)" }
    let advice = packages[program].map { "; install the Debian package \($0)" } ?? ""
    throw Fault.unavailable("the program \(program) is not installed on this host\(advice)")
  }

  // MARK: - On the thread

  private func execute() throws -> CommandOutput {
    var exchange = try CommandExchange(input: input)
    let pid = try exchange.withChildEnds { input, output, error in
      try SpawnRequest(
        program: program, arguments: arguments, environment: environment ?? SpawnRequest.inheritedEnvironment(),
        directory: nil, input: input, output: output, error: error, namespace: namespace, hasSession: false
      ).spawn()
    }
    let end = ContinuousClock.now + deadline
    let process = clinux_pidfd_open(pid)
    defer { if process >= 0 { close(process) } }
    let isOver = exchange.run(process: process, until: end)
    if !isOver { kill(-pid, SIGKILL) }
    var status: CInt = 0
    while waitpid(pid, &status, 0) < 0, errno == EINTR {}
    if !isOver { throw Fault.internal("\(name) had not ended after \(deadline) and was stopped") }
    let signal = status & 0x7F
    return CommandOutput(
      status: signal == 0 ? (status >> 8) & 0xFF : 128 + signal, stdout: exchange.stdout, stderr: exchange.stderr)
  }
}

extension String {
  /// Without white space at both ends.
  var trimmingSpace: String {
    var rest = self[...]
    while rest.first?.isWhitespace == true { rest.removeFirst() }
    while rest.last?.isWhitespace == true { rest.removeLast() }
    return String(rest)
  }
}

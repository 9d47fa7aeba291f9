import CLinux
import Glibc
import Kit

/// How a process is started: shared by commands and daemons.
struct SpawnRequest {
  var program: String
  var arguments: [String]
  var environment: [String: String]
  var directory: String?
  var input: CInt
  var output: CInt
  var error: CInt
  var namespace: NetworkNamespace?
  var hasSession: Bool

  /// Starts the process and returns its id.
  func spawn() throws -> pid_t {
    let path = try Command.path(of: program)
    if let bad = ([path] + arguments).first(where: { $0.utf8.contains(0) }) {
      throw Fault.internal("an argument of \(program) has a zero byte: \(bad.prefix(80))")
    }
    let netns = try namespace?.open()
    var argv = ([path] + arguments).map { strdup($0) } + [nil]
    var envp = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer { for pointer in argv + envp { free(pointer) } }
    let pid = argv.withUnsafeMutableBufferPointer { argv in
      envp.withUnsafeMutableBufferPointer { envp in
        path.withCString { path in
          Self.withOptionalCString(directory) { directory in
            var request = clinux_spawn_request(
              program: path, argv: argv.baseAddress, envp: envp.baseAddress, directory: directory, input: input,
              output: output, error: error, netns: netns?.number ?? -1, session: hasSession ? 1 : 0)
            return clinux_spawn(&request)
          }
        }
      }
    }
    return try HostError.check(pid, "\(path) could not be started")
  }

  private static func withOptionalCString<T>(_ text: String?, _ body: (UnsafePointer<CChar>?) -> T) -> T {
    guard let text else { return body(nil) }
    return text.withCString { body($0) }
  }

  /// Our environment with a search path that has the system's programs, and messages in English, so that they can be
  /// read.
  static func inheritedEnvironment() -> [String: String] {
    var result: [String: String] = [:]
    var cursor = environ
    while let entry = cursor.pointee {
      let text = String(cString: entry)
      if let equals = text.firstIndex(of: "=") {
        result[String(text[..<equals])] = String(text[text.index(after: equals)...])
      }
      cursor += 1
    }
    result["PATH"] = Command.searchPath.joined(separator: ":")
    result["LC_ALL"] = "C"
    return result
  }
}

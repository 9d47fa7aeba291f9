import Glibc
import Kit
import Synchronization

/// Work that blocks, or that changes its thread (setns(2) is per thread), on a thread of its own that ends with it:
/// never on the cooperative pool or an event loop. Making a thread costs tens of microseconds, far less than such work.
public enum HostThread {
  private final class Work: Sendable {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }

  private static let stackBytes = 1 << 20

  /// Starts a detached thread. Throws when the kernel gives no more threads.
  public static func start(_ body: @escaping @Sendable () -> Void) throws {
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setdetachstate(&attributes, CInt(PTHREAD_CREATE_DETACHED))
    pthread_attr_setstacksize(&attributes, stackBytes)
    let work = Unmanaged.passRetained(Work(body))
    var thread = pthread_t()
    let status = pthread_create(
      &thread, &attributes,
      { context in
        guard let context else { return nil }
        Unmanaged<Work>.fromOpaque(context).takeRetainedValue().body()
        return nil
      }, work.toOpaque())
    if status != 0 {
      work.release()
      throw Fault.internal("a thread could not be made: \(HostError.text(status))")
    }
  }

  /// Runs `body` on a thread of its own and returns what it returns.
  public static func run<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
    try await withCheckedThrowingContinuation { continuation in
      do {
        try start { continuation.resume(with: Result { try body() }) }
      } catch {
        continuation.resume(throwing: error)
      }
    }
  }

  /// As `run`, for callers that are not asynchronous: only for work of a few milliseconds.
  public static func runBlocking<T: Sendable>(_ body: @escaping @Sendable () throws -> T) throws -> T {
    let outcome = Outcome<T>()
    try start { outcome.finish(Result { try body() }) }
    return try outcome.wait()
  }

  private final class Outcome<T: Sendable>: @unchecked Sendable {
    private let result = Mutex<Result<T, any Error>?>(nil)
    private let done: UnsafeMutablePointer<sem_t>

    init() {
      done = .allocate(capacity: 1)
      sem_init(done, 0, 0)
    }
    deinit {
      sem_destroy(done)
      done.deallocate()
    }
    func finish(_ value: Result<T, any Error>) {
      result.withLock { $0 = value }
      sem_post(done)
    }
    func wait() throws -> T {
      while true {
        sem_wait(done)
        if let value = result.withLock({ $0 }) { return try value.get() }
      }
    }
  }
}

/// Errors of system calls as texts.
public enum HostError {
  /// The system's text for an error number.
  public static func text(_ number: CInt) -> String {
    guard let text = strerror(number) else { return "error \(number)" }
    return String(cString: text)
  }
  /// A fault with the current errno: call it at once after the system call that failed.
  static func last(_ what: String) -> Fault { Fault.internal("\(what): \(text(errno))") }
  /// Throws when `result` is a negative error number.
  @discardableResult
  static func check(_ result: CInt, _ what: @autoclosure () -> String) throws -> CInt {
    if result < 0 { throw Fault.internal("\(what()): \(text(-result))") }
    return result
  }
}

/// A file descriptor that is closed with its owner.
final class Descriptor: Sendable {
  let number: CInt
  init(_ number: CInt) { self.number = number }
  deinit { Glibc.close(number) }

  /// Opens a file; the path is named in the error.
  static func open(_ path: String, _ flags: CInt, mode: mode_t = 0o600) throws -> Descriptor {
    let number = Glibc.open(path, flags | O_CLOEXEC, mode)
    if number < 0 { throw HostError.last(path) }
    return Descriptor(number)
  }
}

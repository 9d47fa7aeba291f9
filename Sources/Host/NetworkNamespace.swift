import CLinux
import Glibc
import Kit

/// A named network namespace in `/run/netns`, as `ip netns` keeps them (ip-netns(8)): both see each other's.
public struct NetworkNamespace: Sendable, Hashable {
  public let name: String
  public init(_ name: String) { self.name = name }

  static let folder = "/run/netns"
  /// Where the namespace is bound.
  public var path: String { "\(Self.folder)/\(name)" }

  /// All named namespaces of the host, by name.
  public static func list() throws -> [NetworkNamespace] {
    guard HostFiles.exists(folder) else { return [] }
    return try HostFiles.list(folder).map { NetworkNamespace($0) }.filter(\.exists)
  }

  public var exists: Bool { clinux_netns_is_bound(path) == 1 }

  /// Makes it, with its loopback device up. One that exists stays as it is.
  public func create() throws {
    guard isValid else { throw Fault.badRequest("'\(name)' is not a name for a network namespace") }
    if exists { return }
    let (path, name) = (path, name)
    try HostThread.runBlocking {
      try HostFiles.makeFolder(Self.folder, mode: 0o755)
      try HostError.check(clinux_netns_prepare(Self.folder), "\(Self.folder) could not be made a shared mount")
      try HostError.check(clinux_netns_create(path), "the network namespace \(name) could not be made")
      try HostError.check(clinux_loopback_up(), "lo of the network namespace \(name) could not be set up")
    }
  }

  /// Removes its name; the kernel removes its links when the last process in it ends. An absent one is removed already.
  public func delete() throws {
    guard isValid else { return }
    try HostError.check(clinux_netns_delete(path), "the network namespace \(name) could not be removed")
  }

  /// Runs `body` on a thread of its own inside the namespace.
  public func run<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
    try await HostThread.run {
      try enter()
      return try body()
    }
  }

  /// As `run`, for callers that are not asynchronous: only for work of a few milliseconds.
  public func runBlocking<T: Sendable>(_ body: @escaping @Sendable () throws -> T) throws -> T {
    try HostThread.runBlocking {
      try enter()
      return try body()
    }
  }

  /// A listening TCP socket inside the namespace; see `HostSocket.listen`.
  public func listen(address: String, port: Int) throws -> CInt {
    try runBlocking { try HostSocket.listen(address: address, port: port) }
  }

  func open() throws -> Descriptor {
    guard isValid, exists else { throw Fault.unavailable("the network namespace \(name) does not exist") }
    return try Descriptor.open(path, O_RDONLY)
  }

  private func enter() throws {
    let descriptor = try open()
    try HostError.check(clinux_setns_net(descriptor.number), "the network namespace \(name) could not be entered")
  }

  private var isValid: Bool {
    !name.isEmpty && name.utf8.count <= 200 && name != "." && name != ".."
      && name.utf8.allSatisfy { byte in
        UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte || UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte
          || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte || "-_.".utf8.contains(byte)
      }
  }
}

/// TAP devices, by which guests meet the host's bridges.
public enum TapDevice {
  /// Makes a persistent TAP `name` in `namespace` (nil: the host's). One that exists stays as it is.
  public static func create(_ name: String, in namespace: NetworkNamespace?) async throws {
    guard (1...15).contains(name.utf8.count), !name.contains("/") else {
      throw Fault.badRequest("'\(name)' is not a name for a link (IFNAMSIZ: at most 15 bytes)")
    }
    let make: @Sendable () throws -> Void = {
      if if_nametoindex(name) != 0 { return }
      try HostError.check(clinux_tap_create(name), "the TAP device \(name) could not be made")
    }
    if let namespace { try await namespace.run(make) } else { try await HostThread.run(make) }
  }

  /// Whether a link `name` exists in `namespace` (nil: the host's).
  public static func exists(_ name: String, in namespace: NetworkNamespace?) async throws -> Bool {
    let look: @Sendable () throws -> Bool = { if_nametoindex(name) != 0 }
    return if let namespace { try await namespace.run(look) } else { try look() }
  }
}

import GuestImage
import Host
import Kit
import Synchronization
import TestKit
import Testing

@testable import Demo

/// The steps against a cloud in memory and an SSH client that is a script.
struct DemoTests {
  private final class Lines: Sendable {
    private let lines = Mutex<[String]>([])
    func add(_ line: String) { lines.withLock { $0.append(line) } }
    var text: String { lines.withLock { $0.joined(separator: "\n") } }
  }

  private struct Stage: Sendable {
    let small = SmallCloud()
    let folder: String
    let lines = Lines()
    let image: GuestImage
    let ssh: String

    init() throws {
      folder = try TestKit.folder()
      for name in ["disk", "kernel", "initrd"] {
        try HostFiles.writeAtomically("\(folder)/\(name)", Array(name.utf8), mode: 0o600)
      }
      image = GuestImage(
        disk: folder + "/disk", kernel: folder + "/kernel", initrd: folder + "/initrd",
        kernelArguments: "console=ttyS0",
        user: "cirros", password: "p", minRAMMB: 96, minDiskGB: 0, description: "test", fingerprint: "f1")
      // Refuses once, as a guest that still boots, and then answers.
      ssh = folder + "/ssh"
      let script =
        "#!/bin/sh\n[ -e \(folder)/up ] || { touch \(folder)/up; echo refused >&2; exit 255; }\necho \"ssh $*\"\n"
      try HostFiles.writeAtomically(ssh, Array(script.utf8), mode: 0o700)
    }

    func demo(_ port: Int, password: String = "adminpw", image: GuestImage? = nil) -> Demo {
      let lines = lines
      var demo = Demo(
        cloud: DemoCloud(
          authURL: "http://127.0.0.1:\(port)/v3", password: Secret(password), region: "here",
          directory: folder + "/state",
          shownPrefix: ["martlet", "exec", "--"]), image: image ?? self.image
      ) { lines.add($0) }
      demo.sshProgram = ssh
      return demo
    }
  }

  private func withStage(_ body: (Stage, Int) async throws -> Void) async throws {
    let stage = try Stage()
    let port = Mutex(0)
    let holder = PortHolder()
    let small = stage.small
    let server = try await ScriptedServer { request in small.answer(request, port: holder.port.withLock { $0 }) }
    holder.port.withLock { $0 = server.port }
    port.withLock { $0 = server.port }
    do { try await body(stage, server.port) } catch {
      try await server.stop()
      throw error
    }
    try await server.stop()
    try HostFiles.remove(stage.folder)
  }

  private final class PortHolder: Sendable { let port = Mutex(0) }

  @Test func itWalksFromAProjectToAGuestAndAgain() async throws {
    try await withStage { stage, port in
      let first = try await stage.demo(port).run()
      #expect(first.address == "127.0.0.1")
      #expect(Array(first.sshCommand.prefix(3)) == ["martlet", "exec", "--"])
      #expect(first.sshCommand.last == "cirros@127.0.0.1")
      #expect(first.steps.map(\.name).contains("server web1"))
      #expect(stage.small.names("/v3/projects") == ["engineering"])
      #expect(
        stage.small.names("/image/v2/images") == ["martlet-guest-kernel", "martlet-guest-ramdisk", "martlet-guest"])
      #expect(stage.small.state.withLock { $0.uploads.values.sorted() } == [4, 6, 6])
      let image = stage.small.state.withLock { $0.collections["/image/v2/images"]?.last } ?? [:]
      #expect(image["kernel_id"]?.string?.isEmpty == false)
      #expect(image["os_command_line"]?.string == "console=ttyS0")
      #expect(stage.lines.text.contains("console: last line") && !stage.lines.text.contains("\u{1B}"))
      #expect(stage.lines.text.contains("in the guest: uname -a"))
      let facts = try await Command(
        "stat", ["-c", "%a", stage.folder + "/state/id_ecdsa", stage.folder + "/state/password"]
      ).check()
      #expect(facts == "600\n600\n")
      #expect(!stage.small.changes().isEmpty)

      let second = try await stage.demo(port).run()
      #expect(second.serverID == first.serverID && second.address == first.address)
      let changes = stage.small.changes()
      #expect(changes.allSatisfy { $0.hasPrefix("PUT") }, "\(changes)")
    }
  }

  @Test func cleaningRemovesAllAndOnlyThat() async throws {
    try await withStage { stage, port in
      _ = try await stage.demo(port).run()
      stage.small.state.withLock {
        $0.collections["/image/v2/images"]?.append(["id": "mine", "name": "martlet-guest", "status": "active"])
        $0.collections["/compute/v2.1/flavors"]?.append(["id": "f", "name": "other"])
      }
      try await stage.demo(port).clean()
      for path in SmallCloud.keys.keys.sorted() {
        let left = stage.small.names(path)
        switch path {
        case "/image/v2/images": #expect(left == ["martlet-guest"])
        case "/compute/v2.1/flavors": #expect(left == ["other"])
        case "/v3/roles": #expect(left == ["member"])
        case "/network/v2.0/networks": #expect(left == ["public"])
        case "/network/v2.0/ports", "/network/v2.0/subnets", "/network/v2.0/security-group-rules": break
        default: #expect(left.isEmpty, "\(path): \(left)")
        }
      }
      #expect(!HostFiles.exists(stage.folder + "/state/id_ecdsa"))
      try await stage.demo(port).clean()
    }
  }

  @Test func aRefusalShowsTheAPIsMessage() async throws {
    try await withStage { stage, port in
      stage.small.state.withLock {
        $0.refusals["POST /compute/v2.1/servers"] = (
          403, ["forbidden": ["message": "Quota exceeded for cores", "code": 403]]
        )
      }
      let fault = await #expect(throws: Fault.self) { try await stage.demo(port).run() }
      #expect(fault?.status == 403)
      #expect(fault?.message.contains("Quota exceeded for cores") == true)
      #expect(stage.lines.text.contains("server web1: FAILED"))
      // What was made is used by the next try.
      _ = try await stage.demo(port).run()
    }
  }

  @Test func aWrongPasswordAndAnOldTokenAreTold() async throws {
    try await withStage { stage, port in
      let fault = await #expect(throws: Fault.self) { try await stage.demo(port, password: "no").run() }
      #expect(fault?.status == 401 && fault?.message.contains("wrong password") == true)
      let session = Session(stage.demo(port).administratorLogin, client: HTTPClient())
      try await session.authenticate()
      stage.small.state.withLock { $0.isTokenOld = true }
      let roles = try await session.list("identity", "/roles", "roles")
      #expect(roles.count == 1)
    }
  }

  @Test func aServerInErrorIsExplained() async throws {
    try await withStage { stage, port in
      _ = try await stage.demo(port).run()
      stage.small.state.withLock {
        $0.collections["/compute/v2.1/servers"]?[0]["status"] = "ERROR"
        $0.collections["/compute/v2.1/servers"]?[0]["fault"] = ["message": "No valid host was found."]
      }
      let fault = await #expect(throws: Fault.self) { try await stage.demo(port).run() }
      #expect(fault?.message.contains("No valid host was found.") == true)
    }
  }

  @Test func aNewerImageReplacesTheOld() async throws {
    try await withStage { stage, port in
      _ = try await stage.demo(port).run()
      var newer = stage.image
      newer.fingerprint = "f2"
      _ = try await stage.demo(port, image: newer).run()
      #expect(stage.small.names("/image/v2/images").filter { $0 == "martlet-guest" }.count == 2)
      #expect(stage.small.changes().contains { $0.hasPrefix("PATCH /image/v2/images/") })
    }
  }
}

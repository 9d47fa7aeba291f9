import Contracts
import Kit
import TestKit
import Testing

@testable import Compute

@Suite struct RemoteConsoleTests {
  /// The token in the URL that was answered.
  private func token(_ answer: ServerWorld.Answer, _ member: String = "remote_console") throws -> String {
    let url = try #require(answer[member]["url"]?.string, "\(answer.json.text)")
    let prefix = "http://127.0.0.1:6080/vnc_auto.html?path=%3Ftoken%3D"
    #expect(url.hasPrefix(prefix))
    return String(url.dropFirst(prefix.count))
  }

  private func open(_ world: ServerWorld, _ id: String, as user: String = "member") async throws -> String {
    let body: JSONValue = ["remote_console": ["protocol": "vnc", "type": "novnc"]]
    return try token(
      try await world.send("POST", "/v2.1/servers/\(id)/remote-consoles", body, as: user, version: "2.6"))
  }

  private func refused(_ world: ServerWorld, _ token: String, by user: String? = nil) async {
    let fault = await #expect(throws: Fault.self) { _ = try await world.service.redeem(token, by: user) }
    #expect(fault?.status == 401)
  }

  @Test func aTokenOpensOneConsoleOnce() async throws {
    let world = try await ServerWorld()
    let id = try await world.make()
    let user = try #require(TestVerifier.context("member")).user.id
    let (first, second) = (try await open(world, id), try await open(world, id))
    #expect(first != second && first.count == 64)
    let expected = OpenedConsole(serverID: id, type: "novnc", socket: "/run/\(id).sock")
    await refused(world, first, by: "somebody else")
    #expect(try await world.service.redeem(first, by: user) == expected)
    await refused(world, first, by: user)
    // Two at the same moment: one gets it.
    async let one = try? await world.service.redeem(second, by: nil)
    async let other = try? await world.service.redeem(second, by: nil)
    #expect([await one, await other].compactMap { $0 } == [expected])
    for wrong in ["", "bad", first.uppercased(), ConsoleToken.hash(first)] { await refused(world, wrong) }
  }

  @Test func tokensAreKeptAsHashesAndExpire() async throws {
    let world = try await ServerWorld()
    let id = try await world.make()
    let token = try await open(world, id)
    let rows = try await world.database.read { tx in try tx.query("SELECT * FROM console_token") }
    #expect(rows.count == 1 && rows[0].text("token_hash") == ConsoleToken.hash(token))
    world.clock.advance(.seconds(599))
    #expect(try await show(world, token).status == 200)
    world.clock.advance(.seconds(2))
    await refused(world, token)
    #expect(try await show(world, token).status == 404)
    // The next one sweeps.
    _ = try await open(world, id)
    #expect(try await world.database.read { tx in try tx.count("SELECT COUNT(*) FROM console_token") } == 1)
  }

  @Test func tokensEndWithTheServerAndWaitForItsScreen() async throws {
    let world = try await ServerWorld()
    let id = try await world.make()
    let token = try await open(world, id)
    #expect(try await world.send("POST", "/v2.1/servers/\(id)/action", ["os-stop": .null]).status == 202)
    try await world.drain()
    let fault = await #expect(throws: Fault.self) { _ = try await world.service.redeem(token, by: nil) }
    #expect(fault?.status == 409)
    #expect(try await world.send("POST", "/v2.1/servers/\(id)/action", ["os-start": .null]).status == 202)
    try await world.drain()
    let last = try await open(world, id)
    #expect(try await world.service.redeem(token, by: nil).serverID == id)
    #expect(try await world.send("DELETE", "/v2.1/servers/\(id)").status == 204)
    try await world.drain()
    await refused(world, last)
    #expect(try await world.database.read { tx in try tx.count("SELECT COUNT(*) FROM console_token") } == 0)
    let gone = try await world.send(
      "POST", "/v2.1/servers/\(id)/remote-consoles", ["remote_console": ["protocol": "vnc", "type": "novnc"]],
      version: "2.6")
    #expect(gone.status == 404)
  }

  private func show(
    _ world: ServerWorld, _ token: String, as user: String = "admin", version: String = "2.31", query: String = ""
  ) async throws -> ServerWorld.Answer {
    try await world.send("GET", "/v2.1/os-console-auth-tokens/\(token)\(query)", as: user, version: version)
  }

  @Test func whatATokenOpens() async throws {
    let world = try await ServerWorld()
    let id = try await world.make()
    let token = try await open(world, id)
    for version in ["2.31", "2.98", "2.99", "2.104"] {
      let console = try await show(world, token, version: version)["console"]
      #expect(
        console == [
          "instance_uuid": .string(id), "host": "127.0.0.1", "port": 0,
          "internal_access_path": .string("/run/\(id).sock"),
        ])
    }
    #expect(try await show(world, token, version: "2.30").status == 400)
    #expect(try await show(world, token, as: "member").status == 403)
    #expect(try await show(world, token, as: "none").status == 401)
    #expect(try await show(world, "x").status == 404)
    #expect(try await show(world, token, query: "?a=b").status == 200)
    #expect(try await show(world, token, version: "2.99", query: "?a=b").status == 400)
    #expect(try await world.service.redeem(token, by: nil).serverID == id)
  }

  /// Kind, type, first microversion that knows them, status.
  @Test(arguments: [
    ("vnc", "novnc", "2.6", 200), ("vnc", "xvpvnc", "2.6", 400), ("vnc", "serial", "2.6", 400),
    ("spice", "spice-html5", "2.6", 400), ("serial", "serial", "2.6", 400), ("rdp", "rdp-html5", "2.6", 400),
    ("mks", "webmks", "2.8", 400), ("spice", "spice-direct", "2.99", 400), ("vnc", "novnc", "2.104", 200),
  ])
  func kinds(kind: String, type: String, version: String, status: Int) async throws {
    let world = try await ServerWorld()
    let id = try await world.make()
    let body: JSONValue = ["remote_console": ["protocol": .string(kind), "type": .string(type)]]
    let path = "/v2.1/servers/\(id)/remote-consoles"
    let answer = try await world.send("POST", path, body, version: version)
    #expect(answer.status == status)
    if status == 400 { #expect(answer.message.contains("console type"), "\(answer.message)") }
    #expect(try await world.send("POST", path, body, as: "reader", version: version).status == 403)
    #expect(try await world.send("POST", path, body, as: "other-member", version: version).status == 404)
    #expect(try await world.send("POST", path, body, version: "2.5").status == 404)
  }

  @Test func actionsUntil25() async throws {
    let world = try await ServerWorld()
    let id = try await world.make()
    func act(_ action: String, _ type: String, _ version: String = "2.5") async throws -> ServerWorld.Answer {
      try await world.send(
        "POST", "/v2.1/servers/\(id)/action", .object([action: ["type": .string(type)]]), version: version)
    }
    let answer = try await act("os-getVNCConsole", "novnc")
    #expect(answer["console"]["type"] == "novnc")
    #expect(try await world.service.redeem(token(answer, "console"), by: nil).serverID == id)
    #expect(try await act("os-getVNCConsole", "xvpvnc").status == 400)
    #expect(try await act("os-getVNCConsole", "other").status == 400)
    #expect(try await act("os-getSPICEConsole", "spice-html5").status == 400)
    #expect(try await act("os-getSerialConsole", "serial").status == 400)
    #expect(try await act("os-getVNCConsole", "novnc", "2.6").status == 400)
  }
}

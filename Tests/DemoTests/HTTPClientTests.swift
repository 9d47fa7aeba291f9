import Glibc
import Host
import Kit
import Synchronization
import TestKit
import Testing

@testable import Demo

struct HTTPClientTests {
  private func withServer(
    early: ScriptedServer.Script? = nil, _ script: @escaping ScriptedServer.Script,
    _ body: (ScriptedServer, HTTPClient) async throws -> Void
  ) async throws {
    let server = try await ScriptedServer(early: early, script)
    let client = HTTPClient()
    do { try await body(server, client) } catch {
      try await server.stop()
      throw error
    }
    await client.close()
    try await server.stop()
  }

  @Test func requestsShareAConnection() async throws {
    try await withServer(
      { request in
        ScriptedServer.Answer(
          200, ["method": .string(request.method), "target": .string(request.target), "got": request.json])
      }
    ) { server, client in
      for index in 0..<5 {
        let body: HTTPRequest.Body = index % 2 == 0 ? .none : .json(["a": .int(index)])
        let response = try await client.send(
          HTTPRequest(method: index % 2 == 0 ? "GET" : "POST", url: "\(server.url)/p/\(index)?q=a%20b", body: body))
        #expect(response.status == 200)
        #expect(response.json["target"]?.string == "/p/\(index)?q=a%20b")
        if index % 2 == 1 { #expect(response.json["got"]?["a"]?.int == index) }
      }
      #expect(server.connections == 1)
    }
  }

  @Test func aConnectionThatTheServerClosedIsReplaced() async throws {
    try await withServer({ _ in
      var answer = ScriptedServer.Answer(200, ["ok": true])
      answer.closes = true
      return answer
    }) { server, client in
      for _ in 0..<4 {
        let response = try await client.send(HTTPRequest(method: "GET", url: server.url))
        #expect(response.status == 200)
      }
      #expect(server.connections == 4)
    }
  }

  @Test func aFileIsStreamed() async throws {
    let path = try TestKit.folder() + "/file"
    let bytes = (0..<1_500_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    try HostFiles.writeAtomically(path, bytes, mode: 0o600, isDurable: false)
    try await withServer({ request in
      let isSame = request.body == bytes && request.headers.first(name: "content-length") == "\(bytes.count)"
      return ScriptedServer.Answer(isSame ? 204 : 400)
    }) { server, client in
      let request = HTTPRequest(method: "PUT", url: server.url + "/file", body: .file(path, size: bytes.count))
      let response = try await client.send(request)
      #expect(response.status == 204)
      let wrong = HTTPRequest(method: "PUT", url: server.url, body: .file(path, size: bytes.count + 1))
      await #expect(throws: Fault.self) { try await client.send(wrong) }
      let absent = HTTPRequest(method: "PUT", url: server.url, body: .file(path + "x", size: 1))
      await #expect(throws: Fault.self) { try await client.send(absent) }
    }
  }

  @Test func aRefusalBeforeTheEndOfAnUploadIsTheAnswer() async throws {
    let path = try TestKit.folder() + "/file"
    try HostFiles.writeAtomically(path, [UInt8](repeating: 7, count: 8 << 20), mode: 0o600, isDurable: false)
    let refuse: ScriptedServer.Script = { _ in
      ScriptedServer.Answer(413, ["error": ["message": "too large"]])
    }
    try await withServer(early: refuse, refuse) { server, client in
      let response = try await client.send(
        HTTPRequest(method: "PUT", url: server.url, body: .file(path, size: 8 << 20)))
      #expect(response.status == 413)
      #expect(APIError.message(response) == "too large")
    }
  }

  @Test func silenceAndAbsenceAreFaults() async throws {
    try await withServer({ request in
      var answer = ScriptedServer.Answer()
      answer.isSilent = true
      answer.closes = request.path == "/close"
      return answer
    }) { server, client in
      var request = HTTPRequest(method: "GET", url: server.url + "/silent", deadline: .milliseconds(200))
      await #expect(throws: Fault.self) { try await client.send(request) }
      request.url = server.url + "/close"
      await #expect(throws: Fault.self) { try await client.send(request) }
    }
    let socket = try HostSocket.listen(address: "127.0.0.1", port: 0)
    let port = try HostSocket.port(of: socket)
    close(socket)
    for url in ["http://127.0.0.1:\(port)/", "https://127.0.0.1/", "nothing", ""] {
      await #expect(throws: Fault.self, "\(url)") { try await HTTPClient().send(HTTPRequest(method: "GET", url: url)) }
    }
  }

  @Test(arguments: [
    (#"{"error": {"code": 401, "message": "who?", "title": "Unauthorized"}}"#, "who?"),
    (#"{"badRequest": {"code": 400, "message": "no"}}"#, "no"),
    (#"{"NeutronError": {"type": "X", "message": "in use", "detail": ""}}"#, "in use"),
    (#"{"errors": [{"status": 400, "detail": "bad"}]}"#, "bad"),
    ("<html><body><h1>404 Not Found</h1>No image<br /></body></html>", "404 Not Found No image"),
    ("", "without an explanation"),
  ])
  func eachServicesOwnMessageIsShown(_ body: String, _ expected: String) {
    let response = HTTPResponse(status: 400, headers: [:], body: Array(body.utf8))
    #expect(APIError.message(response) == expected)
  }

  @Test func queriesAreEncoded() { #expect(Session.encoded("^web 1&é$") == "%5Eweb%201%26%C3%A9%24") }
}

import TestKit
import Testing

@testable import BlockStorage

/// HTTP exchanges as the stock client has them.
struct TranscriptTests {
  @Test(arguments: TestKit.transcripts()) func transcript(_ path: String) async throws {
    let world = try await BlockWorld()
    let problems = try await Transcript(path: path).run { call in
      let reply = await world.router.respond(call)
      try await world.engine.drain()
      return reply
    }
    #expect(problems.isEmpty, "\(problems.joined(separator: "\n"))")
  }
}

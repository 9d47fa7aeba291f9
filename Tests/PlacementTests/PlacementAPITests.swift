import API
import Kit
import TestKit
import Testing

@testable import Placement

struct PlacementAPITests {
  @Test(arguments: TestKit.transcripts())
  func transcript(_ path: String) async throws {
    let cloud = try await PlacementHarness()
    let router = cloud.router
    let problems = try await Transcript(path: path).run { await router.respond($0) }
    #expect(problems.isEmpty, "\(problems.joined(separator: "\n"))")
  }

  private static let provider = "11111111-2222-4333-8444-555555555555"
  private static let missing = "99999999-2222-4333-8444-555555555555"

  /// Every route answers bad input with upstream's code, and changes nothing.
  @Test func badInputIsRefused() async throws {
    let cloud = try await PlacementHarness()
    _ = try await cloud.send("POST", "/resource_providers", ["name": "p", "uuid": .string(Self.provider)])
    let rp = "/resource_providers/\(Self.provider)"
    let claim: JSONValue = [
      "allocations": .object([Self.provider: ["resources": ["VCPU": 1]]]), "project_id": "p", "user_id": "u",
      "consumer_generation": nil, "consumer_type": "INSTANCE",
    ]
    let cases: [(String, String, JSONValue?, Int)] = [
      ("POST", "/resource_providers", [:], 400), ("POST", "/resource_providers", ["name": 1], 400),
      ("POST", "/resource_providers", ["name": "p"], 409),
      ("POST", "/resource_providers", ["name": "x", "uuid": "z"], 400),
      ("POST", "/resource_providers", ["name": "x", "parent_provider_uuid": .string(Self.missing)], 400),
      ("POST", "/resource_providers", ["name": "x", "extra": 1], 400),
      ("POST", "/resource_providers", ["name": .string(String(repeating: "n", count: 201))], 400),
      ("GET", "/resource_providers?uuid=zzz", nil, 400), ("GET", "/resource_providers?what=1", nil, 400),
      ("GET", "/resource_providers?resources=NOPE:1", nil, 400),
      ("GET", "/resource_providers?required=NOPE", nil, 400),
      ("GET", "/resource_providers/\(Self.missing)", nil, 404),
      ("DELETE", "/resource_providers/\(Self.missing)", nil, 404),
      ("PUT", rp, ["name": "p", "parent_provider_uuid": .string(Self.provider)], 400),
      ("POST", rp + "/inventories", ["resource_class": "VCPU"], 400),
      ("POST", rp + "/inventories", ["resource_class": "nope", "total": 1], 400),
      ("POST", rp + "/inventories", ["resource_class": "CUSTOM_NONE", "total": 1], 400),
      ("POST", rp + "/inventories", ["resource_class": "VCPU", "total": 0], 400),
      ("POST", rp + "/inventories", ["resource_class": "VCPU", "total": 2, "reserved": 3], 400),
      ("POST", rp + "/inventories", ["resource_class": "VCPU", "total": 2, "allocation_ratio": 1e300], 400),
      ("POST", rp + "/inventories", ["resource_class": "VCPU", "total": 4_294_967_296], 400),
      ("PUT", rp + "/inventories", ["resource_provider_generation": 7, "inventories": [:]], 409),
      ("PUT", rp + "/inventories/VCPU", ["resource_provider_generation": 0, "total": 2], 400),
      ("GET", rp + "/inventories/VCPU", nil, 404), ("DELETE", rp + "/inventories/VCPU", nil, 404),
      ("PUT", rp + "/traits", ["resource_provider_generation": 0, "traits": ["NOPE"]], 400),
      ("PUT", rp + "/traits", ["resource_provider_generation": 9, "traits": []], 409),
      ("PUT", rp + "/aggregates", ["resource_provider_generation": 0, "aggregates": ["z"]], 400),
      ("PUT", "/traits/HW_CPU_X86_AVX2", nil, 400), ("PUT", "/traits/custom_x", nil, 400),
      ("DELETE", "/traits/HW_CPU_X86_AVX2", nil, 400), ("GET", "/traits/CUSTOM_NONE", nil, 404),
      ("GET", "/traits?associated=maybe", nil, 400), ("GET", "/traits?name=foo", nil, 400),
      ("POST", "/resource_classes", ["name": "VCPU"], 400), ("PUT", "/resource_classes/VCPU", nil, 400),
      ("DELETE", "/resource_classes/VCPU", nil, 400), ("GET", "/resource_classes/CUSTOM_NONE", nil, 404),
      ("PUT", "/allocations/zzz", claim, 400), ("PUT", "/allocations/\(Self.missing)", claim, 409),
      ("PUT", "/allocations/\(Self.missing)", ["allocations": [:]], 400),
      ("DELETE", "/allocations/\(Self.missing)", nil, 404), ("POST", "/allocations", [:], 400),
      ("GET", "/usages", nil, 400), ("GET", "/usages?project_id=p&x=1", nil, 400),
      ("GET", "/allocation_candidates?resources=NOPE:1", nil, 400),
    ]
    for (method, target, body, status) in cases {
      let answer = try await cloud.send(method, target, body)
      #expect(answer.status == status, "\(method) \(target) \(body?.text ?? ""): \(answer)")
      #expect(answer.body["errors"]?[0]?["status"]?.int == status, "\(method) \(target): \(answer.body.text)")
    }
    let counts = try await cloud.database.read { tx in
      try ["inventory", "consumer", "allocation", "trait", "resource_class", "provider_trait", "aggregate"].map {
        try tx.count("SELECT COUNT(*) FROM placement_\(raw: $0)")
      }
    }
    #expect(counts.allSatisfy { $0 == 0 })
  }

  /// Who may do what: every route but discovery is for administrators and services, /usages also for the project's own.
  @Test func rolesAreAsked() async throws {
    let cloud = try await PlacementHarness()
    for route in cloud.router.api.routes where route.policy.name != "open" {
      let path = route.pattern.replacing("{uuid}", with: Self.missing).replacing("{consumer_uuid}", with: Self.missing)
        .replacing("{name}", with: "CUSTOM_X").replacing("{resource_class}", with: "VCPU")
      let version = (route.until ?? Microversion(1, 39)).description
      let stranger = try await cloud.send(route.method, path, [:], version: version, as: "expired")
      #expect(stranger.status == 401, "\(route.method) \(path)")
      let system = try await cloud.send(route.method, path, [:], version: version, as: "system-admin")
      #expect(system.status == 403, "\(route.method) \(path)")
      let member = try await cloud.send(route.method, path, [:], version: version, as: "member")
      #expect(member.status == (path == "/usages" ? 400 : 403), "\(route.method) \(path)")
    }
    let mine = try await cloud.send("GET", "/usages?project_id=\(TestVerifier.mainProject)", as: "reader")
    #expect(mine.status == 200)
    let other = try await cloud.send("GET", "/usages?project_id=\(TestVerifier.otherProject)", as: "reader")
    #expect(other.status == 403)
    let reshape = try await cloud.send("POST", "/reshaper", [:], as: "admin")
    #expect(reshape.status == 403)
  }
}

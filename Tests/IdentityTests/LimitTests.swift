import Contracts
import Kit
import TestKit
import Testing

@testable import Identity

/// Unified limits in both models, and what the other services ask of them.
struct LimitTests {
  private let main = TestVerifier.mainProject

  private func cloud(_ model: LimitModel) async throws -> IdentityHarness {
    var settings = IdentitySettings()
    settings.limitModel = model
    return try await IdentityHarness(settings: settings)
  }

  private func set(_ cloud: IdentityHarness, _ collection: String, _ values: JSONObject) async -> Int {
    let service = cloud.service.books.catalog.first { $0.type == "compute" }?.id ?? ""
    var all: JSONObject = ["service_id": .string(service), "resource_name": "servers"]
    all.merge(values)
    return await cloud.send("POST", "/v3/" + collection, [collection: [.object(all)]]).status
  }

  private func enforce(_ cloud: IdentityHarness, _ asked: Int, used: [String: Int], resource: String = "servers")
    async -> Fault?
  {
    do {
      try await cloud.database.read { [main] tx in
        try cloud.service.enforce([resource: asked], serviceType: "compute", projectID: main, tx: tx) { projects in
          [resource: projects.reduce(0) { $0 + (used[$1] ?? 0) }]
        }
      }
      return nil
    } catch { return Fault(error) }
  }

  @Test func flatLimitsStandForThemselves() async throws {
    let cloud = try await cloud(.flat)
    #expect(await cloud.send("GET", "/v3/limits/model").body["model"]?["name"]?.string == "flat")
    #expect(await enforce(cloud, 1, used: [:])?.status == 403)
    #expect(await set(cloud, "registered_limits", ["default_limit": 3]) == 201)
    #expect(await enforce(cloud, 1, used: [main: 2, TestVerifier.otherProject: 9]) == nil)
    let fault = await enforce(cloud, 2, used: [main: 2])
    #expect(fault?.message.contains("limit of 3 due to current usage 2 and delta 2") == true)
    #expect(await set(cloud, "limits", ["project_id": .string(main), "resource_limit": 10]) == 201)
    #expect(await set(cloud, "limits", ["domain_id": "default", "resource_limit": 1]) == 201)
    #expect(await enforce(cloud, 2, used: [main: 8, TestVerifier.otherProject: 9]) == nil)
    #expect(await enforce(cloud, 1, used: [:], resource: "unknown")?.status == 403)
    let limits = try await cloud.database.read { [main] in
      try cloud.service.limits(serviceType: "compute", projectID: main, tx: $0)
    }
    #expect(limits == ["servers": 10])
  }

  @Test func aDomainsLimitBoundsItsProjects() async throws {
    let cloud = try await cloud(.strictTwoLevel)
    #expect(await cloud.send("GET", "/v3/limits/model").body["model"]?["name"]?.string == "strict_two_level")
    #expect(await set(cloud, "registered_limits", ["default_limit": 5]) == 201)
    #expect(await set(cloud, "limits", ["project_id": .string(main), "resource_limit": 6]) == 403)
    #expect(await set(cloud, "limits", ["domain_id": "default", "resource_limit": 8]) == 201)
    #expect(await set(cloud, "limits", ["project_id": .string(main), "resource_limit": 6]) == 201)
    let limits = await cloud.send("GET", "/v3/limits?domain_id=default").body["limits"]
    let domain = "/v3/limits/\(limits?[0]?["id"]?.string ?? "")"
    #expect(await cloud.send("PATCH", domain, ["limit": ["resource_limit": 5]]).status == 403)
    #expect(await cloud.send("PATCH", domain, ["limit": ["resource_limit": 7]]).status == 200)
    #expect(await enforce(cloud, 3, used: [main: 3, TestVerifier.otherProject: 1]) == nil)
    #expect(await enforce(cloud, 3, used: [main: 3, TestVerifier.otherProject: 2])?.message.contains("Domain") == true)
    #expect(await enforce(cloud, 4, used: [main: 3])?.message.contains("Project") == true)
    let below: JSONValue = ["project": ["name": "below", "parent_id": .string(main)]]
    #expect(await cloud.send("POST", "/v3/projects", below).status == 403)
  }
}

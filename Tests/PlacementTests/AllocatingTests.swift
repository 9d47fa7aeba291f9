import Contracts
import Kit
import Testing

@testable import Placement

/// What Compute uses of Placement.
struct AllocatingTests {
  @Test func capacityCountsRatiosAndReserve() async throws {
    let cloud = try await PlacementHarness()
    let service = cloud.service
    let capacities = try await cloud.database.write { tx in
      _ = try service.register(host: "node1", resources: PlacementHarness.node("node1"), tx: tx)
      _ = try service.register(host: "tiny", resources: PlacementHarness.node("tiny", memoryMB: 600), tx: tx)
      return try service.capacities(tx: tx)
    }
    #expect(capacities.map(\.host) == ["node1", "tiny"])
    #expect(capacities[0].vcpusTotal == 8)
    #expect(capacities[0].memoryMBTotal == 4096 - 512)
    #expect(capacities[0].diskGBTotal == 40)
    #expect(capacities[1].memoryMBTotal == 300)
  }

  @Test func registeringAgainChangesOnlyWhatDiffers() async throws {
    let cloud = try await PlacementHarness()
    let service = cloud.service
    let ids = try await cloud.database.write { tx in
      let first = try service.register(host: "n", resources: PlacementHarness.node("n"), tx: tx)
      let second = try service.register(host: "n", resources: PlacementHarness.node("n"), tx: tx)
      return [first, second]
    }
    #expect(ids[0] == ids[1])
    let same = try await cloud.database.read { tx in try ProviderStore.require(ids[0], tx: tx).generation }
    #expect(same == 1)
    let more = try await cloud.database.write { tx in
      _ = try service.register(host: "n", resources: PlacementHarness.node("n", diskGB: 80), tx: tx)
      return try (ProviderStore.require(ids[0], tx: tx).generation, service.capacities(tx: tx))
    }
    #expect(more.0 == 2)
    #expect(more.1[0].diskGBTotal == 80)
  }

  @Test func claimsReplaceAndRunOut() async throws {
    let cloud = try await PlacementHarness()
    let service = cloud.service
    let small = ResourceRequest(vcpus: 1, memoryMB: 1024, diskGB: 0)
    let used = try await cloud.database.write { tx in
      _ = try service.register(host: "n", resources: PlacementHarness.node("n"), tx: tx)
      for consumer in ["a", "b", "c", "a"] {
        try service.claim(consumer: consumer, host: "n", small, projectID: "p", userID: "u", tx: tx)
      }
      return try service.capacities(tx: tx)[0]
    }
    #expect(used.memoryMBUsed == 3072)
    #expect(used.vcpusUsed == 3)
    let fault = await #expect(throws: Fault.self) {
      try await cloud.database.write { tx in
        try service.claim(consumer: "d", host: "n", small, projectID: "p", userID: "u", tx: tx)
      }
    }
    #expect(fault?.status == 409)
    #expect(fault?.explanation["requirement"]?.string == "MEMORY_MB")
    #expect(fault?.explanation["had"]?.string == "512")
    let after = try await cloud.database.write { tx in
      try service.release(consumer: "a", tx: tx)
      try service.release(consumer: "nobody", tx: tx)
      try service.claim(consumer: "d", host: "n", small, projectID: "p", userID: "u", tx: tx)
      return try service.capacities(tx: tx)[0]
    }
    #expect(after.memoryMBUsed == 3072)
  }

  @Test func aClaimIsFewStatementsHoweverManyConsumersThereAre() async throws {
    let cloud = try await PlacementHarness()
    let service = cloud.service
    try await cloud.database.write { tx in
      _ = try service.register(
        host: "n", resources: PlacementHarness.node("n", vcpus: 64, memoryMB: 1 << 20, diskGB: 9999), tx: tx)
      for index in 0..<50 {
        try service.claim(
          consumer: "c\(index)", host: "n", ResourceRequest(vcpus: 1, memoryMB: 64, diskGB: 1), projectID: "p",
          userID: "u", tx: tx)
      }
    }
    let before = cloud.database.statementCount
    try await cloud.database.write { tx in
      try service.claim(
        consumer: "last", host: "n", ResourceRequest(vcpus: 1, memoryMB: 64, diskGB: 1), projectID: "p", userID: "u",
        tx: tx)
    }
    #expect(cloud.database.statementCount - before <= 11)
  }

  @Test func anUnknownHostIsExplained() async throws {
    let cloud = try await PlacementHarness()
    let service = cloud.service
    let fault = await #expect(throws: Fault.self) {
      try await cloud.database.write { tx in
        try service.claim(
          consumer: "a", host: "nowhere", ResourceRequest(vcpus: 1, memoryMB: 1, diskGB: 1), projectID: "p",
          userID: "u", tx: tx)
      }
    }
    #expect(fault?.status == 409)
  }
}

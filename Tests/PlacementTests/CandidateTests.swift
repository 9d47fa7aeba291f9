import API
import Kit
import Testing

@testable import Placement

/// Searching candidates over trees, shared providers, traits and aggregates.
struct CandidateTests {
  private static func provider(_ id: String, under parent: String? = nil, root: String? = nil) -> Provider {
    Provider(
      id: id, name: id, generation: 0, rootID: root ?? id, parentID: parent, updatedAt: Timestamp(seconds: 0))
  }
  private static func query(_ text: String, minor: Int = 39) throws -> CandidateQuery {
    try CandidateQuery(Query(text: text), minor: minor)
  }

  /// Two hosts; `a` has two NUMA cells with CPUs, `b` is flat; `disk` shares storage with `a` by the aggregate G.
  private static let snapshot = ProviderSnapshot(
    providers: [
      provider("a"), provider("a0", under: "a", root: "a"), provider("a1", under: "a", root: "a"), provider("b"),
      provider("disk"),
    ],
    inventories: [
      "a": ["MEMORY_MB": Inventory(total: 1000)], "a0": ["VCPU": Inventory(total: 2)],
      "a1": ["VCPU": Inventory(total: 4)],
      "b": ["MEMORY_MB": Inventory(total: 500), "VCPU": Inventory(total: 8), "DISK_GB": Inventory(total: 10)],
      "disk": ["DISK_GB": Inventory(total: 100)],
    ],
    used: ["b": ["VCPU": 6]],
    traits: ["a1": ["HW_CPU_X86_AVX2"], "b": ["CUSTOM_FAST"], "disk": [Trait.sharing]],
    aggregates: ["a": ["G"], "disk": ["G"]])

  private static func run(_ text: String, nested: Bool = true) throws -> [Candidate] {
    CandidateSearch(snapshot, try query(text), isNestedAware: nested).run()
  }

  @Test func spreadsOverATree() throws {
    let found = try Self.run("resources=VCPU:2,MEMORY_MB:100")
    #expect(found.map { $0.allocations.keys.sorted() } == [["a", "a0"], ["a", "a1"], ["b"]])
    #expect(try Self.run("resources=VCPU:3,MEMORY_MB:100").map { $0.allocations.keys.sorted() } == [["a", "a1"]])
    #expect(
      try Self.run("resources=VCPU:2,MEMORY_MB:100", nested: false).map { $0.allocations.keys.sorted() } == [["b"]])
  }
  @Test func usesSharedProviders() throws {
    let found = try Self.run("resources=VCPU:1,DISK_GB:20")
    #expect(found.map { $0.allocations.keys.sorted() } == [["a0", "disk"], ["a1", "disk"]])
  }
  @Test func asksTraits() throws {
    #expect(try Self.run("resources=VCPU:1&required=HW_CPU_X86_AVX2").map { $0.allocations.keys.sorted() } == [["a1"]])
    #expect(
      try Self.run("resources=VCPU:1&required=!HW_CPU_X86_AVX2").map { $0.allocations.keys.sorted() } == [
        ["a0"], ["b"],
      ])
    #expect(
      try Self.run("resources=VCPU:1&required=in:HW_CPU_X86_AVX2,CUSTOM_FAST").map { $0.allocations.keys.sorted() } == [
        ["a1"], ["b"],
      ])
    #expect(try Self.run("resources=VCPU:1&root_required=CUSTOM_FAST").map { $0.allocations.keys.sorted() } == [["b"]])
  }
  @Test func keepsGroupsApartWhenAsked() throws {
    let apart = try Self.run("resources1=VCPU:2&resources2=VCPU:2&group_policy=isolate")
    #expect(apart.count == 2)
    #expect(apart.allSatisfy { $0.allocations.count == 2 })
    let together = try Self.run("resources1=VCPU:2&resources2=VCPU:2&group_policy=none")
    #expect(together.map { $0.allocations.keys.sorted() } == [["a0", "a1"], ["a0", "a1"], ["a1"]])
  }
  @Test func staysInATreeAndInASubtree() throws {
    #expect(try Self.run("resources=VCPU:1&in_tree=\(UUIDText.make())").isEmpty)
    #expect(
      try Self.run("resources_C=VCPU:1&resources_M=MEMORY_MB:1&group_policy=none&same_subtree=_C,_M").count == 3)
    #expect(
      try Self.run("resources_A=VCPU:1&resources_B=VCPU:1&group_policy=isolate&same_subtree=_A,_B").isEmpty)
  }
  @Test func stopsAtTheLimit() throws {
    #expect(try Self.run("resources=VCPU:1&limit=2").count == 2)
  }

  @Test(arguments: [
    ("limit=0&resources=VCPU:1", 39), ("", 39), ("resources=VCPU", 39), ("resources=VCPU:0", 39),
    ("resources=VCPU:x", 39), ("resources=VCPU:1&required=", 39), ("resources=VCPU:1&required=in:A,!B", 39),
    ("resources=VCPU:1&required=!A", 21), ("resources=VCPU:1&required=in:A", 38), ("resources=VCPU:1&nonsense=1", 39),
    ("resources1=VCPU:1", 24), ("resources_A=VCPU:1", 32), ("resources1=VCPU:1&resources2=VCPU:1", 39),
    ("resources=VCPU:1&member_of=zzz", 39), ("resources=VCPU:1&in_tree=zzz", 39),
    ("resources=VCPU:1&required=A,!A", 39), ("resources=VCPU:1&same_subtree=_Z", 39),
    ("resources=VCPU:1&required_Q=A", 39), ("resources=VCPU:1&group_policy=maybe", 39),
    ("resources=VCPU:1&limit=1", 15), ("required=A", 35),
  ])
  func refuses(_ text: String, _ minor: Int) {
    let fault = #expect(throws: Fault.self) { try Self.query(text, minor: minor) }
    #expect(fault?.status == 400)
  }

  @Test func standardTraitsAreComplete() {
    #expect(Trait.standard.count == 377)
    #expect(Trait.standardSet.contains("HW_CPU_X86_AVX2"))
    #expect(Trait.standardSet.contains("MISC_SHARES_VIA_AGGREGATE"))
    #expect(Trait.standardSet.contains("COMPUTE_VOLUME_MULTI_ATTACH"))
  }
}

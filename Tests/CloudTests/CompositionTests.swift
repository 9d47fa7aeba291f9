import API
import Cloud
import Config
import Contracts
import Foundation
import Kit
import Logs
import TestKit
import Testing

@Suite struct CompositionTests {
  private func services(hypervisor: String = "fake") throws -> CloudServices {
    var configuration = Configuration()
    try configuration.set("hypervisor.driver", hypervisor, source: "test")
    try configuration.set("network.driver", "fake", source: "test")
    let state = StateFolder(try TestKit.folder() + "/state")
    try state.create()
    return try CloudServices(configuration: configuration, state: state, logs: LogCenter(directory: nil))
  }

  @Test func everyServiceHasAPortAndEveryPortAService() throws {
    let names = Set(try services().apis.map(\.name))
    #expect(names == Set(ServicePort.all.map(\.service)))
  }

  @Test func everyRouteIsThereOnceAndHasAPolicy() throws {
    for api in try services().apis {
      var seen: Set<String> = []
      for route in api.routes {
        #expect(!route.policy.name.isEmpty, "\(api.name) \(route.method) \(route.pattern)")
        let versions = "\(route.since?.description ?? "")-\(route.until?.description ?? "")"
        let key = "\(route.method) \(route.pattern) \(route.action ?? "") \(versions)"
        #expect(seen.insert(key).inserted, "\(api.name): \(key) is there twice")
      }
    }
  }

  /// Only discovery, login and what upstream leaves open answers without a token.
  @Test func openRoutesAreFew() throws {
    for api in try services().apis {
      for route in api.routes where route.policy.name == "open" && !["GET", "HEAD"].contains(route.method) {
        #expect(api.name == "identity", "\(api.name) \(route.method) \(route.pattern) is open")
      }
    }
  }

  /// The file of a deleted image stays while a guest's disk is a layer above it.
  @Test(arguments: ["fake", "qemu"]) func anImageUnderAGuestIsInUse(_ driver: String) async throws {
    let services = try services(hypervisor: driver)
    let base = services.state.images + "/base"
    try Data(count: 1 << 20).write(to: URL(fileURLWithPath: base))
    try await services.hypervisor.start()
    #expect(!services.image.isInUse(base))
    let spec = GuestSpec(
      id: UUIDText.make(), name: "g", vcpus: 1, memoryMB: 64,
      disks: [GuestDisk(name: "root", sizeBytes: 1 << 20, basePath: base, baseFormat: "raw")], interfaces: [])
    try await services.hypervisor.create(spec)
    #expect(services.image.isInUse(base))
    try await services.hypervisor.delete(spec.id)
    #expect(!services.image.isInUse(base))
    try services.database.close()
  }

  @Test func theMigrationsOfAllServicesRunTogether() async throws {
    let services = try services()
    try await services.database.migrate(CloudServices.migrations)
    #expect(Set(CloudServices.migrations.map(\.id)).count == CloudServices.migrations.count)
    try services.database.close()
  }
}

@Suite struct LoginTests {
  @Test func aLoginIsSafeForAShell() throws {
    let state = StateFolder(try TestKit.folder() + "/state")
    try state.create()
    try "pass'word $(id)\n".write(toFile: state.adminPassword, atomically: true, encoding: .utf8)
    let login = try Login(state, Configuration())
    #expect(login.openrc.contains("export OS_PASSWORD='pass'\\''word $(id)'\n"))
    #expect(login.cloudsYAML(name: "mine").contains("  mine:\n"))
  }

  @Test func withoutACloudItSaysWhatToDo() throws {
    let state = StateFolder(try TestKit.folder() + "/none")
    #expect(throws: Fault.self) { try Login(state, Configuration()) }
  }
}

@Suite struct PreflightTests {
  @Test func everyCheckSaysSomething() async {
    let results = await Preflight(state: StateFolder("/var/lib/martlet")).run()
    #expect(results.contains { $0.name == "root" } && results.contains { $0.name == "memory" })
    #expect(results.allSatisfy { !$0.detail.isEmpty })
  }
}

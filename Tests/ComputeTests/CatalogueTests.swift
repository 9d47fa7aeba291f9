import API
import Kit
import Store
import TestKit
import Testing

@testable import Compute

@Suite struct CatalogueTests {
  @Test(arguments: TestKit.transcripts().filter { $0.contains("/catalogue-") })
  func transcript(_ path: String) async throws {
    let router = try await CatalogueWorld().router
    let problems = try await Transcript(path: path).run { await router.respond($0) }
    #expect(problems.isEmpty, "\(problems.joined(separator: "\n"))")
  }

  @Test func thereAreTranscripts() {
    #expect(TestKit.transcripts().filter { $0.contains("/catalogue-") }.count >= 8)
  }

  /// No route lets strangers or people without roles in, whatever they send.
  @Test func everyRouteAsksForATokenAndARole() async throws {
    let world = try await CatalogueWorld()
    for route in CatalogueRoutes.all(world.service.dependencies) where route.policy.name != "open" {
      let path = route.pattern.split(separator: "/").map { $0.hasPrefix("{") ? "1" : $0 }.joined(separator: "/")
      let version = (route.until ?? Microversion(2, 104)).description
      let body: JSONValue = route.action.map { .object([$0: [:]]) } ?? [:]
      for token in ["none", "expired"] {
        let answer = try await world.send(route.method, "/" + path, body, as: token, version: version)
        #expect(answer.status == 401, "\(route.method) \(path) as \(token): \(answer)")
      }
      let nobody = try await world.send(route.method, "/" + path, body, as: "norole", version: version)
      #expect(nobody.status < 500, "\(route.method) \(path): \(nobody)")
      let member = try await world.send(route.method, "/" + path, body, as: "other-member", version: version)
      #expect(member.status < 500 || member.status == 501, "\(route.method) \(path): \(member)")
    }
    let flavors = try await world.database.read { tx in try tx.count("SELECT COUNT(*) FROM flavor") }
    #expect(flavors == Flavor.initial.count)
  }

  @Test(arguments: [
    "{", "[]", "5", "null", "\"text\"", "{}", "{\"flavor\": 5}", "{\"flavor\": null}",
    "{\"keypair\": []}", "{\"quota_set\": \"x\"}", "{\"aggregate\": {\"name\": {}}}", "{\"server_group\": [1]}",
    "{\"a\": \"\\u0000\"}",
  ]) func malformedBodiesAreRefused(_ text: String) async throws {
    let world = try await CatalogueWorld()
    for route in CatalogueRoutes.all(world.service.dependencies)
    where (route.method == "POST" || route.method == "PUT") && route.policy.name != "os_compute_api:removed" {
      let path = route.pattern.split(separator: "/").map { part in
        part == "{project_id}" ? TestVerifier.mainProject : part.hasPrefix("{") ? "1" : String(part)
      }.joined(separator: "/")
      let reply = await world.router.respond(
        HTTPCall(
          method: route.method, path: "/" + path,
          headers: [
            "X-Auth-Token": "admin", "Content-Type": "application/json",
            "X-OpenStack-Nova-API-Version": (route.until ?? Microversion(2, 104)).description,
          ], body: BodyStream(bytes: Array(text.utf8))))
      #expect(
        [400, 404].contains(reply.status) || text == "{}" && reply.status < 500,
        "\(route.method) \(path): \(reply.status)")
    }
  }

  @Test func initialFlavorsComeOnce() async throws {
    let world = try await CatalogueWorld()
    _ = try await world.send("DELETE", "/v2.1/flavors/5")
    try await world.service.start()
    #expect(try await world.send("GET", "/v2.1/flavors/5").status == 404)
  }

  @Test func aListOfFlavorsIsOneQuery() async throws {
    let world = try await CatalogueWorld()
    let before = world.database.statementCount
    _ = try await world.send("GET", "/v2.1/flavors/detail")
    #expect(world.database.statementCount - before == 1)
  }

  @Test func servicesGoDownWithoutReports() async throws {
    let world = try await CatalogueWorld()
    world.clock.advance(.seconds(60))
    func state() async throws -> String? {
      try await world.send("GET", "/v2.1/os-services?binary=nova-compute").body["services"]?[0]?["state"]?.string
    }
    #expect(try await state() == "up")
    world.clock.advance(.seconds(1))
    #expect(try await state() == "down")
    let uptime = try await world.send("GET", "/v2.1/os-hypervisors/1/uptime")
    #expect(uptime.status == 400)
  }

  @Test func hypervisorsArePaged() async throws {
    let world = try await CatalogueWorld()
    try await world.report("node2")
    let first = try await world.send("GET", "/v2.1/os-hypervisors?limit=1", version: "2.53").body
    let marker = first["hypervisors"]?[0]?["id"]?.string ?? ""
    #expect(first["hypervisors_links"]?[0]?["href"]?.string?.hasSuffix("marker=\(marker)") == true)
    let second = try await world.send("GET", "/v2.1/os-hypervisors?limit=1&marker=\(marker)", version: "2.53").body
    #expect(second["hypervisors"]?[0]?["hypervisor_hostname"]?.string == "node1")
    #expect(second["hypervisors"]?.array?.count == 1)
    #expect(second["hypervisors_links"] == nil)
  }
}

@Suite struct CatalogueServerTests {
  @Test func serversCount() async throws {
    let world = try await CatalogueWorld()
    let id = try await world.makeServer()
    let quota = try await world.send("GET", "/v2.1/os-quota-sets/\(TestVerifier.mainProject)/detail", as: "member")
    #expect(quota.body["quota_set"]?["instances"]?["in_use"]?.int == 1)
    #expect(quota.body["quota_set"]?["ram"]?["in_use"]?.int == 512)
    let limits = try await world.send("GET", "/v2.1/limits", as: "member").body
    #expect(limits["limits"]?["absolute"]?["totalCoresUsed"]?.int == 1)
    let other = try await world.send("GET", "/v2.1/limits", as: "other-member").body
    #expect(other["limits"]?["absolute"]?["totalCoresUsed"]?.int == 0)

    let hypervisor = try await world.send("GET", "/v2.1/os-hypervisors/detail?with_servers=true", version: "2.53").body
    let node = hypervisor["hypervisors"]?[0]
    #expect(node?["servers"]?[0]?["uuid"]?.string == id)
    #expect(node?["running_vms"]?.int == 1)
    #expect(node?["vcpus_used"]?.int == 1)
    #expect(node?["free_ram_mb"]?.int == 16384 - 512)
    let host = try await world.send("GET", "/v2.1/os-hosts/node1").body["host"]
    #expect(host?[3]?["resource"]?["project"]?.string == TestVerifier.mainProject)
    #expect(host?[3]?["resource"]?["memory_mb"]?.int == 512)

    // A limit below what is in use needs force.
    let path = "/v2.1/os-quota-sets/\(TestVerifier.mainProject)"
    #expect(try await world.send("PUT", path, ["quota_set": ["instances": 0]]).status == 400)
    #expect(try await world.send("PUT", path, ["quota_set": ["instances": 0, "force": true]]).status == 200)
  }

  @Test func hostsWithServersStayWhereTheyAre() async throws {
    let world = try await CatalogueWorld()
    _ = try await world.makeServer()
    let services = try await world.send("GET", "/v2.1/os-services?binary=nova-compute", version: "2.53").body
    let service = services["services"]?[0]?["id"]?.string ?? ""
    #expect(try await world.send("DELETE", "/v2.1/os-services/\(service)", version: "2.53").status == 409)
    _ = try await world.send("POST", "/v2.1/os-aggregates", ["aggregate": ["name": "a", "availability_zone": "z"]])
    _ = try await world.send("POST", "/v2.1/os-aggregates", ["aggregate": ["name": "b"]])
    let add: JSONValue = ["add_host": ["host": "node1"]]
    #expect(try await world.send("POST", "/v2.1/os-aggregates/1/action", add).status == 409)
    #expect(try await world.send("POST", "/v2.1/os-aggregates/2/action", add).status == 200)
    let zone: JSONValue = ["set_metadata": ["metadata": ["availability_zone": "z"]]]
    #expect(try await world.send("POST", "/v2.1/os-aggregates/2/action", zone).status == 400)
  }

  @Test func usageIsHoursTimesResources() async throws {
    let world = try await CatalogueWorld()
    let id = try await world.makeServer()
    let other = try await world.makeServer(as: "other-member")
    let start = world.clock.now()
    world.clock.advance(.seconds(2 * 3600))
    let period = "start=\((start + .seconds(-3600)).iso8601Micros)&end=\((start + .seconds(86_400)).iso8601Micros)"
    let mine = try await world.send(
      "GET", "/v2.1/os-simple-tenant-usage/\(TestVerifier.mainProject)?\(period)", as: "reader"
    ).body["tenant_usage"]
    #expect(mine?["total_hours"]?.double == 2)
    #expect(mine?["total_memory_mb_usage"]?.double == 1024)
    #expect(mine?["server_usages"]?[0]?["instance_id"]?.string == id)
    #expect(mine?["server_usages"]?[0]?["uptime"]?.int == 7200)
    #expect(mine?["server_usages"]?[0]?["flavor"]?.string == "m1.tiny")
    #expect(mine?["stop"]?.string == world.clock.now().iso8601Micros)

    let all = try await world.send("GET", "/v2.1/os-simple-tenant-usage?\(period)").body
    #expect(all["tenant_usages"]?.array?.count == 2)
    #expect(all["tenant_usages"]?[0]?["server_usages"] == nil)
    let page = try await world.send("GET", "/v2.1/os-simple-tenant-usage?limit=1&detailed=1&\(period)", version: "2.40")
      .body
    #expect(page["tenant_usages"]?[0]?["server_usages"]?.array?.count == 1)
    #expect(page["tenant_usages_links"]?[0]?["href"]?.string?.hasSuffix("marker=\(id)") == true)
    let rest = try await world.send(
      "GET", "/v2.1/os-simple-tenant-usage?limit=1&marker=\(id)&detailed=1&\(period)", version: "2.40"
    ).body
    #expect(rest["tenant_usages"]?[0]?["server_usages"]?[0]?["instance_id"]?.string == other)

    let path = "/v2.1/os-simple-tenant-usage/\(TestVerifier.mainProject)"
    #expect(try await world.send("GET", path + "?start=2026-01-02T00:00:00&end=2026-01-01T00:00:00").status == 400)
    #expect(try await world.send("GET", path + "?start=yesterday").status == 400)
    #expect(try await world.send("GET", path, as: "other-member").status == 403)
    #expect(try await world.send("GET", "/v2.1/os-simple-tenant-usage", as: "member").status == 403)
    let none = try await world.send("GET", path + "?start=2020-01-01T00:00:00&end=2020-02-01T00:00:00").body
    #expect(none["tenant_usage"] == [:])
    #expect(try await world.send("GET", "/v2.1/os-simple-tenant-usage").status == 200)
  }
}

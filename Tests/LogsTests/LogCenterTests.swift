import Foundation
import Kit
import Logs
import TestKit
import Testing

@Suite struct LogCenterTests {
  @Test func aServiceLogsIntoAFolderOfItsOwn() throws {
    let folder = try TestKit.folder()
    let center = LogCenter(directory: folder)
    center.logger("compute").request("req-1").audit("created")
    center.logger("network").error("failed")
    let compute = try String(contentsOfFile: folder + "/compute/compute.log", encoding: .utf8)
    #expect(compute.hasSuffix(" AUDIT compute [req-1] created\n"))
    #expect(
      try String(contentsOfFile: folder + "/network/network.log", encoding: .utf8).contains("ERROR network [-] failed"))
    let mode = try FileManager.default.attributesOfItem(atPath: folder + "/compute/compute.log")[.posixPermissions]
    #expect((mode as? NSNumber)?.intValue == 0o640)
  }

  @Test func levelsSwitchPerServiceWhileItRuns() {
    let center = LogCenter(directory: nil)
    let log = center.logger("compute")
    log.debug("unseen")
    center.setLevel(.debug, of: "compute")
    log.debug("seen")
    center.logger("network").debug("unseen")
    #expect(center.recent(service: nil, count: 10).map(\.message) == ["seen"])
  }

  @Test func aHostileTextCannotForgeALine() {
    let center = LogCenter(directory: nil)
    center.logger("compute").info("name\n2026-01-01T00:00:00Z CRITICAL compute [-] forged\u{1B}[2J")
    let line = center.recent(service: "compute", count: 1)[0].line
    #expect(!line.contains("\n") && !line.contains("\u{1B}"))
  }

  @Test func messagesBelowTheLevelAreNotEvenBuilt() {
    let center = LogCenter(directory: nil, level: .warning)
    func costly() -> String {
      Issue.record("it was built")
      return ""
    }
    center.logger("compute").info(costly())
  }

  @Test func memoryIsBounded() {
    let center = LogCenter(directory: nil)
    for index in 0..<(LogCenter.recentMax * 2) { center.logger("compute").info("\(index)") }
    #expect(center.recent(service: nil, count: .max).count <= LogCenter.recentMax)
  }
}

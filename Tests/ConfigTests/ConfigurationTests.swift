import Config
import Foundation
import Kit
import TestKit
import Testing

@Suite struct ConfigurationTests {
  private func file(_ text: String) throws -> String {
    let path = try TestKit.folder() + "/martlet.yaml"
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    return path
  }

  @Test func defaultsHoldWithoutAFile() throws {
    let configuration = try Configuration(file: "/does/not/exist.yaml")
    #expect(configuration.text("cloud.region") == "RegionOne")
    #expect(configuration.int("api.port_offset") == 0)
  }

  @Test func theFileWinsAndIsNamedAsTheSource() throws {
    let path = try file("cloud:\n  region: here\napi:\n  port_offset: 100\n")
    let configuration = try Configuration(file: path)
    #expect(configuration.text("cloud.region") == "here")
    #expect(configuration.int("api.port_offset") == 100)
    #expect(configuration.show(explain: true).contains("from: \(path)"))
  }

  @Test(arguments: [
    "cloud:\n  colour: red\n", "api:\n  port_offset: many\n", "log:\n  level: loud\n", "just text", "a: [",
    "cloud: 5\n",
  ])
  func aWrongFileIsRefusedWithWhatIsWrong(_ text: String) throws {
    let path = try file(text)
    #expect(throws: Fault.self) { try Configuration(file: path) }
  }

  @Test func whatIsShownReadsBackTheSame() throws {
    let shown = Configuration().show(explain: true)
    let again = try Configuration(file: try file(shown))
    #expect(again.show(explain: false) == Configuration().show(explain: false))
  }

  @Test func everyKeyIsExplained() {
    for key in ConfigurationKey.all {
      #expect(key.doc.hasSuffix("."), "\(key.path)")
      #expect(key.path.split(separator: ".").count == 2, "\(key.path)")
    }
  }
}

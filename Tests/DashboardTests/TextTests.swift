import Foundation
import Testing

@testable import Dashboard

@Suite struct TextTests {
  /// Where in the code a text stands that people read.
  private static let places = [
    #"\b(?:t|mistake|doubt)\("([^"\\]+)""#, #"\bField\(\s*"[^"]*",\s*"([^"\\]+)""#,
    #"\.choice\(\s*"[^"]*",\s*"([^"\\]+)""#,
    #"\bMember\(\s*"[^"]*",\s*"([^"\\]+)""#, #"\.words\(\s*"[^"]*",\s*"([^"\\]+)""#,
    #"\b(?:help|confirm|empty|title|explanation|done|label):\s*"([^"\\]+)""#, #"\.empty =\s*"([^"\\]+)""#,
    #"\b(?:Block|Column|Action\.create)\("([^"\\]+)""#, #"\.(?:facts|table|create)\(\s*"([^"\\]+)""#,
    #"\.(?:done|list)\("([A-Z][^"\\]*)"\)"#, #"\.to\([^\n]*?,\s*"([^"\\]+)"\)"#,
    #"\b(?:Action|simple|access|change)\(\s*"[^"]*",\s*"([^"\\]+)""#, #"\.(?:verb|post)\(\s*"[^"]*",\s*"([^"\\]+)""#,
    #"\bFault\.\w+\("([^"\\]+)"\)"#, #"\bOption\("[^"]*",\s*"([^"\\]+)"\)"#,
    #"\(\s*"([A-Z][^"\\]*)",\s*\.(?:text|code|time|status|flag|lines)\("#, #"\[\[([^\]"]+)\]\]"#,
  ]
  /// Names and units that are the same everywhere.
  private static let same: Set<String> = [
    "VCPU", "DHCP", "JSON", "B", "KiB", "MiB", "GiB", "TiB", "ID", "English text", "—", "",
  ]

  private static func sources() throws -> [String] {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../../Sources/Dashboard").standardizedFileURL
    let files = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)?.allObjects as? [URL] ?? []
    // The proxy's own answers are read by programs.
    return try files.filter {
      $0.pathExtension == "swift" && !$0.path.contains("/Console/") && !$0.path.contains("/Text/")
    }
    .map { try String(contentsOf: $0, encoding: .utf8) }
  }

  @Test func everyTextIsInKorean() throws {
    var texts: Set<String> = []
    let sources = try Self.sources()
    #expect(sources.count > 30)
    for place in Self.places {
      let pattern = try NSRegularExpression(pattern: place)
      for source in sources {
        for match in pattern.matches(in: source, range: NSRange(source.startIndex..., in: source)) {
          if let range = Range(match.range(at: 1), in: source) { texts.insert(String(source[range])) }
        }
      }
      for panel in Panels.all {
        texts.formUnion([panel.title, panel.empty] + panel.columns.map(\.title) + panel.filters.map(\.label))
        texts.formUnion((panel.tableActions + panel.rowActions).flatMap { [$0.title, $0.confirm ?? ""] })
        texts.formUnion(panel.tabs.map(\.title))
      }
    }
    #expect(texts.count > 400)
    #expect(texts.filter { Korean.texts[$0] == nil && !Self.same.contains($0) }.sorted() == [])
  }

  @Test func noKoreanTextIsEmptyOrEnglish() {
    for (english, korean) in Korean.texts {
      #expect(
        korean.unicodeScalars.contains { $0.value > 0x1100 } || ["ID", "MTU", "VCPU"].contains(korean), "\(english)")
    }
  }
}

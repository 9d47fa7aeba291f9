import API
import Foundation

/// What a browser's user has chosen, kept in cookies of a year.
struct Preferences: Sendable {
  static let rows = [25, 50, 100, 200]
  /// Names of the time zone database.
  static let zones = TimeZone.knownTimeZoneIdentifiers.filter { $0.contains("/") }.sorted()

  /// Empty: that of the browser.
  let zone: String
  /// Rows on one page of a list.
  let rows: Int

  init(_ call: HTTPCall, settings: DashboardSettings) {
    let zone = Cookie.read(call, "martlet_zone") ?? ""
    // What a cookie says is text of others: only a name of a zone is one.
    let isName =
      zone.utf8.count < 64
      && zone.utf8.allSatisfy { $0 == 95 || $0 == 45 || $0 == 47 || 48...57 ~= $0 || 97...122 ~= $0 | 0x20 }
    self.zone = isName ? zone : ""
    rows =
      Cookie.read(call, "martlet_rows").flatMap { Int($0) }.flatMap { Self.rows.contains($0) ? $0 : nil }
      ?? settings.pageRows
  }
}

#if canImport(Glibc)
  import Glibc
#endif

/// A point in time: microseconds since 1970-01-01T00:00:00Z.
public struct Timestamp: Sendable, Hashable, Comparable, Codable {
  public var microseconds: Int

  public init(microseconds: Int) { self.microseconds = microseconds }
  public init(seconds: Int) { microseconds = seconds * 1_000_000 }

  public static func < (left: Timestamp, right: Timestamp) -> Bool { left.microseconds < right.microseconds }
  public static func + (left: Timestamp, right: Duration) -> Timestamp {
    Timestamp(microseconds: left.microseconds + right.microseconds)
  }
  public static func - (left: Timestamp, right: Timestamp) -> Duration {
    .microseconds(left.microseconds - right.microseconds)
  }
  public var seconds: Int { Int((Double(microseconds) / 1_000_000).rounded(.down)) }

  /// `2026-01-02T03:04:05Z`: Compute, Network, Image.
  public var iso8601: String { format(separator: UInt8(ascii: "T"), isUTC: true, fraction: false) }
  /// `2026-01-02T03:04:05.000000`: Block Storage, services, agents of Compute.
  public var iso8601Micros: String { format(separator: UInt8(ascii: "T"), isUTC: false, fraction: true) }
  /// `2026-01-02T03:04:05.000000Z`: Identity.
  public var iso8601MicrosZ: String { format(separator: UInt8(ascii: "T"), isUTC: true, fraction: true) }
  /// `2026-01-02 03:04:05`: Network's agents.
  public var plain: String { format(separator: UInt8(ascii: " "), isUTC: false, fraction: false) }

  /// `Sun, 06 Nov 1994 08:49:37 GMT`, for HTTP headers (RFC 9110 §5.6.7).
  public var httpDate: String {
    let (days, second) = (seconds / 86_400, seconds % 86_400)
    let (year, month, day) = Self.civil(days: days)
    let weekday = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][(days % 7 + 7) % 7]
    let names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    return "\(weekday), \(Self.pad(day)) \(names[month - 1]) \(Self.pad(year, 4)) "
      + "\(Self.pad(second / 3600)):\(Self.pad(second / 60 % 60)):\(Self.pad(second % 60)) GMT"
  }

  /// Without the small texts that a text is usually put together from: lists of a thousand resources hold thousands of times.
  private func format(separator: UInt8, isUTC: Bool, fraction: Bool) -> String {
    let days = (seconds - (seconds < 0 ? 86_399 : 0)) / 86_400
    let second = seconds - days * 86_400
    let (year, month, day) = Self.civil(days: days)
    guard (0...9999).contains(year) else { return "\(year)-\(Self.pad(month))-\(Self.pad(day))" }
    return String(unsafeUninitializedCapacity: 32) { buffer in
      var at = 0
      func put(_ byte: UInt8) {
        buffer[at] = byte
        at += 1
      }
      func put(_ value: Int, _ width: Int) {
        var rest = value
        for position in (at..<(at + width)).reversed() {
          buffer[position] = UInt8(48 + rest % 10)
          rest /= 10
        }
        at += width
      }
      put(year, 4)
      put(UInt8(ascii: "-"))
      put(month, 2)
      put(UInt8(ascii: "-"))
      put(day, 2)
      put(separator)
      put(second / 3600, 2)
      put(UInt8(ascii: ":"))
      put(second / 60 % 60, 2)
      put(UInt8(ascii: ":"))
      put(second % 60, 2)
      if fraction {
        put(UInt8(ascii: "."))
        put(microseconds - seconds * 1_000_000, 6)
      }
      if isUTC { put(UInt8(ascii: "Z")) }
      return at
    }
  }

  private static func pad(_ value: Int, _ width: Int = 2) -> String {
    let text = String(value)
    return String(repeating: "0", count: max(0, width - text.count)) + text
  }

  /// Days since 1970-01-01 to a date of the proleptic Gregorian calendar (400-year eras, years starting in March).
  private static func civil(days: Int) -> (Int, Int, Int) {
    let shifted = days + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
  }

  private static func days(year: Int, month: Int, day: Int) -> Int {
    let year = month <= 2 ? year - 1 : year
    let era = (year >= 0 ? year : year - 399) / 400
    let yearOfEra = year - era * 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  }

  /// Reads `YYYY-MM-DD[(T| )HH:MM[:SS[.ffffff]]][Z|±HH:MM]`; nil when it is not such a text.
  public init?(_ text: String) {
    var rest = Substring(text)
    func take(_ count: Int) -> Int? {
      guard rest.utf8.count >= count, let value = Int(rest.prefix(count)), value >= 0, rest.first != "+" else {
        return nil
      }
      rest = rest.dropFirst(count)
      return value
    }
    func skip(_ character: Character) -> Bool {
      guard rest.first == character else { return false }
      rest = rest.dropFirst()
      return true
    }
    guard let year = take(4), skip("-"), let month = take(2), skip("-"), let day = take(2),
      (1...12).contains(month), (1...31).contains(day)
    else { return nil }
    var (seconds, fraction) = (Self.days(year: year, month: month, day: day) * 86_400, 0)
    if skip("T") || skip(" ") {
      guard let hour = take(2), skip(":"), let minute = take(2), hour < 24, minute < 60 else { return nil }
      seconds += hour * 3600 + minute * 60
      if skip(":") {
        guard let second = take(2), second < 61 else { return nil }
        seconds += second
      }
      if skip(".") {
        let digits = rest.prefix { $0.isASCII && $0.isNumber }
        guard !digits.isEmpty,
          let value = Int(digits.prefix(6) + String(repeating: "0", count: max(0, 6 - digits.count)))
        else { return nil }
        fraction = value
        rest = rest.dropFirst(digits.count)
      }
    }
    if let sign = rest.first, sign == "+" || sign == "-" {
      rest = rest.dropFirst()
      guard let hour = take(2) else { return nil }
      _ = skip(":")
      guard let minute = take(2) else { return nil }
      seconds -= (sign == "+" ? 1 : -1) * (hour * 3600 + minute * 60)
    } else {
      _ = skip("Z")
    }
    guard rest.isEmpty else { return nil }
    microseconds = seconds * 1_000_000 + fraction
  }
}

extension Duration {
  /// The whole microseconds in this duration.
  public var microseconds: Int { Int(components.seconds) * 1_000_000 + Int(components.attoseconds / 1_000_000_000_000) }
  public var milliseconds: Int { microseconds / 1000 }
}

/// Where the time comes from, so that tests can set it.
public protocol WallClock: Sendable {
  func now() -> Timestamp
}

/// The system's clock.
public struct SystemClock: WallClock {
  public init() {}
  public func now() -> Timestamp {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Timestamp(microseconds: time.tv_sec * 1_000_000 + time.tv_nsec / 1000)
  }
}

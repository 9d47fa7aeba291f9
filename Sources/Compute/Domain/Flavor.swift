/// What a server gets: a named set of virtual resources (API reference, Flavors).
public struct Flavor: Sendable, Equatable {
  /// The id that clients see; any text of upstream's alphabet.
  public var id: String
  public var name: String
  public var vcpus: Int
  public var memoryMB: Int
  /// Size of the root disk; 0: that of the image.
  public var diskGB: Int
  public var ephemeralGB: Int
  public var swapMB: Int
  public var isPublic: Bool
  public var description: String?
  public var extraSpecs: [String: String]
  public var isDisabled: Bool
  public var rxtxFactor: Double

  public init(
    id: String, name: String, vcpus: Int, memoryMB: Int, diskGB: Int, ephemeralGB: Int = 0, swapMB: Int = 0,
    isPublic: Bool = true, description: String? = nil, extraSpecs: [String: String] = [:], isDisabled: Bool = false,
    rxtxFactor: Double = 1
  ) {
    (self.id, self.name, self.vcpus, self.memoryMB) = (id, name, vcpus, memoryMB)
    (self.diskGB, self.ephemeralGB, self.swapMB, self.isPublic) = (diskGB, ephemeralGB, swapMB, isPublic)
    (self.description, self.extraSpecs) = (description, extraSpecs)
    (self.isDisabled, self.rxtxFactor) = (isDisabled, rxtxFactor)
  }

  /// What a new cloud starts with: the sizes that everybody's tutorials name, and a very small one for tests.
  static let initial: [Flavor] = [
    Flavor(id: "1", name: "m1.tiny", vcpus: 1, memoryMB: 512, diskGB: 1),
    Flavor(id: "2", name: "m1.small", vcpus: 1, memoryMB: 2048, diskGB: 20),
    Flavor(id: "3", name: "m1.medium", vcpus: 2, memoryMB: 4096, diskGB: 40),
    Flavor(id: "4", name: "m1.large", vcpus: 4, memoryMB: 8192, diskGB: 80),
    Flavor(id: "5", name: "m1.xlarge", vcpus: 8, memoryMB: 16384, diskGB: 160),
    Flavor(id: "42", name: "m1.nano", vcpus: 1, memoryMB: 128, diskGB: 1),
  ]
}

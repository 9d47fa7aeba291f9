// swift-tools-version:6.2
import Foundation
import PackageDescription

/// A library of ours: its name is its folder under `Sources/`.
func library(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: dependencies)
}

/// The tests of a library: they live in `Tests/<name>Tests`.
func tests(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  // HTTP transcripts are data that the tests read from their own folder.
  let transcripts = "\(Context.packageDirectory)/Tests/\(name)Tests/Transcripts"
  return .testTarget(
    name: name + "Tests", dependencies: [.target(name: name), .target(name: "TestKit")] + dependencies,
    exclude: FileManager.default.fileExists(atPath: transcripts) ? ["Transcripts"] : [])
}

let nio: [Target.Dependency] = [
  .product(name: "NIOCore", package: "swift-nio"),
  .product(name: "NIOPosix", package: "swift-nio"),
]
let http: [Target.Dependency] = nio + [.product(name: "NIOHTTP1", package: "swift-nio")]
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let cryptoExtras: Target.Dependency = .product(name: "CryptoExtras", package: "swift-crypto")

// Each target depends only on targets above it; services never import each other.
let base: [Target] = [
  .target(name: "CLinux"),
  library("Kit", [crypto]),
  library("Config", ["Kit", .product(name: "Yams", package: "Yams")]),
  library("Logs", ["Kit"]),
  library(
    "Store",
    ["Kit", .product(name: "GRDB", package: "GRDB.swift"), .product(name: "GRDBSQLite", package: "GRDB.swift")]),
  .systemLibrary(name: "CMariaDB", pkgConfig: "libmariadb", providers: [.apt(["libmariadb-dev"])]),
  library("MariaDB", ["Kit", "Store", "CMariaDB"]),
  library("Workflow", ["Kit", "Logs", "Store"]),
  library("Contracts", ["Kit", "Store"]),
  library(
    "API",
    [
      "Kit", "Logs", "Store", "Workflow", "Contracts",
      .product(name: "HummingbirdCore", package: "hummingbird"),
      .product(name: "HTTPTypes", package: "swift-http-types"),
      .product(name: "Logging", package: "swift-log"),
    ] + nio),
  library("Host", ["Kit", "Logs", "CLinux"] + nio),
  library("GuestImage", ["Kit", "Logs", "Host"]),
  library("Demo", ["Kit", "Logs", "Host", "GuestImage"] + http),
  library(
    "TestKit",
    [
      "Kit", "Logs", "Store", "MariaDB", "Workflow", "Contracts", "API", "Host",
      .product(name: "Yams", package: "Yams"),
    ]),
]

let service: [Target.Dependency] = ["Kit", "Config", "Logs", "Store", "Workflow", "Contracts", "API"]
let services: [Target] = [
  library("Identity", service + [crypto, cryptoExtras]),
  library("Image", service + [crypto]),
  library("Placement", service),
  library("Network", service),
  library("BlockStorage", service + ["Host", crypto]),
  library(
    "Dashboard",
    service + ["Host", crypto, .product(name: "Mustache", package: "swift-mustache")] + http
      + [.product(name: "NIOWebSocket", package: "swift-nio")]),
  library("Compute", service + [crypto, cryptoExtras]),
]

let agents: [Target] = [
  library("ComputeNode", ["Kit", "Logs", "Host", "Contracts"]),
  library("NetworkNode", ["Kit", "Logs", "Host", "Contracts"] + http),
]

let command: [Target] = [
  library(
    "Cloud",
    service + [
      "Host", "MariaDB", "GuestImage", "Identity", "Image", "Placement", "Network", "Compute", "BlockStorage",
      "Dashboard",
      "ComputeNode",
      "NetworkNode",
    ] + nio),
  .executableTarget(
    name: "martlet",
    dependencies: ["Cloud", "CLinux", "Config", "Demo", "GuestImage", "Host", "Kit", "Logs"] + nio
      + [.product(name: "ArgumentParser", package: "swift-argument-parser")]),
]

let testTargets: [Target] = [
  tests("Kit"), tests("Config"), tests("Logs"), tests("Store"), tests("MariaDB", ["Host"]), tests("Workflow"),
  tests("API"),
  tests("Host"), tests("GuestImage"), tests("Demo"), tests("Identity"), tests("Image"), tests("Placement"),
  tests("Network"),
  tests("Compute"), tests("BlockStorage"), tests("Dashboard"),
  tests("ComputeNode", ["GuestImage"]), tests("NetworkNode"), tests("Cloud"),
]

/// With MARTLET_ONLY=Network,Image only these targets, what they need and their tests are built: a faster round while
/// working on one of them.
func selected(_ all: [Target]) -> [Target] {
  guard let only = Context.environment["MARTLET_ONLY"], !only.isEmpty else { return all }
  var wanted: Set<String> = []
  func add(_ name: String) {
    guard let target = all.first(where: { $0.name == name }), wanted.insert(name).inserted else { return }
    for case .byNameItem(let dependency, _) in target.dependencies { add(dependency) }
    for case .targetItem(let dependency, _) in target.dependencies { add(dependency) }
  }
  for name in only.split(separator: ",") { [String(name), name + "Tests"].forEach(add) }
  return all.filter { wanted.contains($0.name) }
}

let package = Package(
  name: "martlet",
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
    .package(url: "https://github.com/hummingbird-project/swift-mustache", from: "2.1.1"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
  ],
  targets: selected(base + services + agents + command + testTargets),
  swiftLanguageModes: [.v6]
)

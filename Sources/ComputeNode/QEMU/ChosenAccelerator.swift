import Contracts
import Host
import Kit
import Logs

/// How guests' instructions are executed, and why so.
struct ChosenAccelerator: Sendable, Codable, Equatable {
  enum Kind: String, Sendable, Codable { case kvm, tcg }

  var kind: Kind
  var reason: String

  /// QEMU's options. TCG's translation cache is bounded, since each guest has one of its own.
  var arguments: [String] {
    switch kind {
    case .kvm: ["-accel", "kvm", "-cpu", "host"]
    case .tcg: ["-accel", "tcg,thread=multi,tb-size=32", "-cpu", "max"]
    }
  }

  /// A choice with what it depends on: another kernel, QEMU or boot is another test.
  private struct Cached: Codable {
    var key: String
    var accelerator: ChosenAccelerator
  }

  /// Decides between KVM and TCG by booting `kernel` with KVM: /dev/kvm can open, and firmware run, where no kernel
  /// boots (nested virtualisation that is emulated in parts). The result is kept in `cache`.
  static func choose(kernel: String?, qemuVersion: Int, cache: String, log: Log) async -> ChosenAccelerator {
    let device = "/dev/kvm"
    guard HostFiles.exists(device) else { return ChosenAccelerator(kind: .tcg, reason: "this host has no \(device)") }
    guard HostFacts.canOpen(device) else {
      return ChosenAccelerator(kind: .tcg, reason: "\(device) cannot be opened by this user")
    }
    guard let kernel, let size = HostFiles.size(kernel) else {
      return ChosenAccelerator(
        kind: .tcg, reason: "\(device) exists, but there is no kernel yet to test that a guest boots with it")
    }
    let key = "\(kernel) \(size) \(qemuVersion) \(HostFacts.bootID)"
    if let cached = try? HostFiles.load(Cached.self, cache), cached.key == key { return cached.accelerator }
    let result = await probe(kernel: kernel)
    log.info("accelerator: \(result.kind.rawValue): \(result.reason)")
    do {
      try HostFiles.save(Cached(key: key, accelerator: result), cache)
    } catch {
      log.warning("the choice of the accelerator could not be kept: \(error)")
    }
    return result
  }

  static let probeDeadline = Duration.seconds(10)

  /// Boots a kernel without a root disk: one that gets as far as looking for it has run all of its own start.
  static func probe(kernel: String) async -> ChosenAccelerator {
    let command = Command(
      "qemu-system-x86_64",
      [
        "-accel", "kvm", "-cpu", "host", "-machine", "q35", "-m", "128", "-nodefaults", "-no-user-config", "-no-reboot",
        "-display", "none", "-serial", "stdio", "-kernel", kernel, "-append", "console=ttyS0 panic=-1 loglevel=7",
      ], deadline: probeDeadline)
    do {
      let output = try await command.run()
      if output.text.contains("Unable to mount root") || output.text.contains("Run /") {
        return ChosenAccelerator(kind: .kvm, reason: "a test boot of \(kernel) with KVM succeeded")
      }
      let said = String(decoding: output.stderr, as: UTF8.self).split(separator: "\n").first ?? "no message"
      return ChosenAccelerator(kind: .tcg, reason: "a test boot of \(kernel) with KVM failed: \(said.prefix(200))")
    } catch {
      return ChosenAccelerator(
        kind: .tcg, reason: "a test boot of \(kernel) with KVM was not done after \(probeDeadline)")
    }
  }
}

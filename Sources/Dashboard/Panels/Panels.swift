/// Every panel, in the order of the menu.
enum Panels {
  static let all: [Panel] =
    [
      InstancePanels.project, ImagePanels.project, KeyPairPanel.panel, ServerGroupPanel.panel, VolumePanels.volumes,
      VolumePanels.snapshots, NetworkPanels.project, RouterPanels.project, SecurityGroupPanel.panel,
      FloatingIPPanels.project,
    ] + [
      InstancePanels.admin, HypervisorPanel.panel, FlavorPanel.panel, ImagePanels.admin, NetworkPanels.admin,
      RouterPanels.admin, FloatingIPPanels.admin, VolumePanels.types, QuotaPanel.panel, ServicePanels.compute,
      ServicePanels.network,
    ] + [
      ProjectPanel.panel, UserPanel.panel, GroupPanel.panel, RolePanel.panel, DomainPanel.panel,
      ApplicationCredentialPanel.panel,
    ]
}

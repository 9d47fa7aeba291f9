/// Every panel, in the order of the menu.
enum Panels {
  static let all: [Panel] = project + admin + identity

  private static let project: [Panel] = [
    InstancePanels.project, ImagePanels.project, KeyPairPanel.panel, ServerGroupPanel.panel, VolumePanels.volumes,
    VolumePanels.snapshots, StoragePanels.backups, StoragePanels.groups, StoragePanels.groupSnapshots,
    StoragePanels.transfers, NetworkPanels.project, RouterPanels.project, SecurityGroupPanel.panel,
    FloatingIPPanels.project, SharingPanels.addressGroups, SharingPanels.subnetPools,
  ]
  private static let admin: [Panel] = [
    InstancePanels.admin, HypervisorPanel.panel, AggregatePanel.panel, FlavorPanel.panel, ImagePanels.admin,
    MetadataPanel.panel, StorageAdminPanels.volumes, StorageAdminPanels.snapshots, StorageAdminPanels.backups,
    StorageAdminPanels.types, StorageAdminPanels.qos, StorageAdminPanels.groupTypes, NetworkPanels.admin,
    RouterPanels.admin, FloatingIPPanels.admin, SharingPanels.rbac, SharingPanels.addressScopes, QuotaPanel.panel,
    ServicePanels.compute, StorageAdminPanels.services, ServicePanels.network,
  ]
  private static let identity: [Panel] = [
    ProjectPanel.panel, UserPanel.panel, GroupPanel.panel, RolePanel.panel, DomainPanel.panel,
    ApplicationCredentialPanel.panel,
  ]
}

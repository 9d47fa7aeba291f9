/// Our own icons: 24 by 24, drawn with one line of the text's colour.
enum Icons {
  private static let paths: [String: String] = [
    "gauge": "<path d='M4 18a9 9 0 1 1 16 0M12 14l4-5'/>",
    "server": "<rect x='4' y='4' width='16' height='7' rx='2'/><rect x='4' y='13' width='16' height='7' rx='2'/>"
      + "<path d='M8 7.5h.01M8 16.5h.01'/>",
    "image": "<circle cx='12' cy='12' r='8.5'/><circle cx='12' cy='12' r='2.5'/>",
    "key": "<circle cx='8' cy='15' r='4'/><path d='M11 12l8-8M16 7l3 3'/>",
    "volume":
      "<ellipse cx='12' cy='6' rx='8' ry='3'/><path d='M4 6v12c0 1.7 3.6 3 8 3s8-1.3 8-3V6M4 12c0 1.7 3.6 3 8 3s8-1.3 8-3'/>",
    "backup": "<path d='M4 7h16v4H4zM6 11v8h12v-8M12 13v4M10 15l2 2 2-2'/>",
    "transfer": "<path d='M4 9h14M14 5l4 4-4 4M20 16H6M10 12l-4 4 4 4'/>",
    "snapshot": "<path d='M4 8h3l2-3h6l2 3h3v11H4z'/><circle cx='12' cy='13' r='3.5'/>",
    "network": "<rect x='9' y='3' width='6' height='5' rx='1'/><rect x='3' y='16' width='6' height='5' rx='1'/>"
      + "<rect x='15' y='16' width='6' height='5' rx='1'/><path d='M12 8v4M6 16v-4h12v4'/>",
    "router":
      "<circle cx='12' cy='12' r='8.5'/><path d='M12 4v5M10 7l2 2 2-2M12 20v-5M10 17l2-2 2 2M4 12h4M6 10l-2 2 2 2M20 12h-4M18 10l2 2-2 2'/>",
    "floating":
      "<path d='M12 21s7-6.2 7-11.5A7 7 0 0 0 5 9.5C5 14.800 12 21 12 21z'/><circle cx='12' cy='9.5' r='2.5'/>",
    "shield": "<path d='M12 3l8 3v6c0 5-3.500 8-8 9-4.500-1-8-4-8-9V6z'/><path d='M9 12l2 2 4-4'/>",
    "group": "<rect x='3' y='3' width='8' height='8' rx='2'/><rect x='13' y='13' width='8' height='8' rx='2'/>"
      + "<path d='M13 7h4v4M11 17H7v-4'/>",
    "topology": "<circle cx='5' cy='6' r='2.500'/><circle cx='19' cy='6' r='2.500'/><circle cx='12' cy='18' r='2.500'/>"
      + "<path d='M7.500 6h9M6 8.200l5 7.600M18 8.200l-5 7.600'/>",
    "terminal": "<rect x='3' y='4' width='18' height='16' rx='2'/><path d='M7 9l3 3-3 3M13 15h4'/>",
    "flavor": "<rect x='3' y='13' width='5' height='8' rx='1'/><rect x='10' y='8' width='5' height='13' rx='1'/>"
      + "<rect x='17' y='3' width='5' height='18' rx='1'/>",
    "node": "<rect x='3' y='4' width='18' height='12' rx='2'/><path d='M8 20h8M12 16v4'/>",
    "pulse": "<path d='M3 12h4l3-7 4 14 3-7h4'/>",
    "log": "<path d='M6 3h9l4 4v14H6zM9 11h7M9 15h7'/>",
    "project": "<path d='M3 7l3-3h5l2 3h8v12H3z'/>",
    "user": "<circle cx='12' cy='8' r='4'/><path d='M4 21c1-5 4-7 8-7s7 2 8 7'/>",
    "users":
      "<circle cx='9' cy='8' r='3.500'/><path d='M2 20c.8-4 3.300-6 7-6s6.200 2 7 6M16 5a3.500 3.500 0 0 1 0 6M18 14c2.500.6 3.600 2.600 4 6'/>",
    "role": "<path d='M12 3l2.600 5.600 6 .7-4.500 4.200 1.200 6L12 16.500 6.700 19.500l1.200-6L3.400 9.300l6-.7z'/>",
    "domain":
      "<circle cx='12' cy='12' r='8.500'/><path d='M3.500 12h17M12 3.500c5 5.500 5 11.500 0 17-5-5.500-5-11.500 0-17z'/>",
    "search": "<circle cx='11' cy='11' r='6.500'/><path d='M16 16l5 5'/>",
    "menu": "<path d='M4 6h16M4 12h16M4 18h16'/>",
  ]

  /// An icon's element; it says nothing to screen readers because a text stands beside it.
  static func svg(_ name: String) -> String {
    "<svg class='icon' viewBox='0 0 24 24' aria-hidden='true' focusable='false'>\(paths[name] ?? "")</svg>"
  }

  private static let bird =
    "<path d='M3 13c5 1 7-1 9-4 1.500-2.300 3.500-4 6-3.500l3-1-1.500 3c0 6-4.500 10.500-10.500 10.500H5l4-2.500c-3 0-5-1-6-2.500z' "
  /// The martlet: a bird without feet, always on the wing.
  static let mark = "<svg class='mark' viewBox='0 0 24 24' aria-hidden='true' focusable='false'>\(bird)/></svg>"
  static let favicon = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24'>\(bird)fill='#2f6fed'/></svg>"
}

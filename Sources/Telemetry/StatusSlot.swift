/// A small fixed set of places for status codes, so that a series is one flat block of counters.
///
/// gRPC codes 0 to 16 and the registered HTTP codes have their own place; what an upstream invents
/// is counted under its class (`2xx`), so that no peer can make series without bound (SPEC O-6).
enum StatusSlot {
    /// Codes with a place of their own, ascending: gRPC first, then HTTP.
    static let known: [UInt16] =
        (0...16).map { UInt16($0) } + [
            101, 200, 201, 202, 203, 204, 205, 206, 207, 300, 301, 302, 303, 304, 307, 308, 400, 401, 402, 403, 404,
            405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 421, 422, 423, 424, 425, 426, 428, 429,
            431, 451, 499, 500, 501, 502, 503, 504, 505, 507, 508, 511,
        ]
    /// Places for `1xx` … `5xx`, and one for numbers that are no status at all.
    static let classes: [String] = ["1xx", "2xx", "3xx", "4xx", "5xx", "other"]
    /// Places in all; `RouteSeries` is laid out by it.
    static let count = 80

    /// Place by code, for codes below 600.
    private static let places: [UInt8] = {
        var places = [UInt8](repeating: UInt8(known.count + 5), count: 600)
        for code in 100..<600 { places[code] = UInt8(known.count + code / 100 - 1) }
        for (place, code) in known.enumerated() { places[Int(code)] = UInt8(place) }
        return places
    }()

    static func of(_ status: UInt16) -> Int {
        let code = Int(status)
        return code < 600 ? Int(places[code]) : known.count + 5
    }

    /// The label of a place: `200`, `5xx`.
    static func label(_ place: Int) -> String {
        place < known.count ? String(known[place]) : classes[place - known.count]
    }

    static var used: Int { known.count + classes.count }
}

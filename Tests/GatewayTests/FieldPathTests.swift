import EventCore
import Testing

@testable import Gateway

/// One place, said by JSON and by gRPC.
@Suite struct FieldPathTests {
    @Test(arguments: [("/item/quantity", "item.quantity"), ("/tags/1", "tags[1]"), ("/a/0/b/12/c", "a[0].b[12].c"), ("", "")])
    func bothWays(_ pointer: String, _ path: String) {
        #expect(Invalid.Field(pointer, "").path == path)
        #expect(Invalid.Field(path: path, "x") == Invalid.Field(pointer, "x"))
    }
}

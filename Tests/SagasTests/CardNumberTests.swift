import Testing

@testable import Sagas

@Suite struct CardNumberTests {
    @Test(arguments: ["4111111111111111", "charged 4111-1111 1111-1111 by hand", "x5555555555554444", "378282246310005."])
    func isFound(_ text: String) { #expect(CardNumber.isIn(text)) }

    @Test(arguments: ["", "tx 4111111111111112", "1234", "12345678901234567890123", "4111 x 1111 x 1111 x 1111", "0e9c-41"])
    func isNotFound(_ text: String) { #expect(!CardNumber.isIn(text)) }
}

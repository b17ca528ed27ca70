"""Stand-ins for the nine services of the shop: what they do on the wire, with data of our own."""

// Package inside has the tests that run in a guest, as its root; jail runs as another user. See package guest.
package inside

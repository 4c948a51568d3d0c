package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestWriteJSON: no character that a terminal obeys gets out, and the value stays the same.
func TestWriteJSON(t *testing.T) {
	const name = "esc \x1b[31m del \x7f csi \u009b31m turn \u202e mark \u061c tag \U000E0041 nl \n sep \u2028 good ä字 <&>"
	var b strings.Builder
	if err := writeJSON(&b, map[string]string{"name": name}); err != nil {
		t.Fatal(err)
	}
	const want = `{"name":"esc \u001b[31m del \u007f csi \u009b31m turn \u202e mark \u061c tag \udb40\udc41 nl \n sep \u2028 good ä字 <&>"}` + "\n"
	if b.String() != want {
		t.Errorf("got  %qwant %q", b.String(), want)
	}
	var back map[string]string
	if err := json.Unmarshal([]byte(b.String()), &back); err != nil || back["name"] != name {
		t.Errorf("back: %q, %v", back["name"], err)
	}
}

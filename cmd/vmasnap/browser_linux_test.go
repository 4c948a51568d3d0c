package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/vmasnap/vmasnap/internal/need"
)

// browser is a headless Chromium with one page, which is asked through a pipe, in the DevTools
// protocol: a message is JSON with a zero byte behind it.
type browser struct {
	t        *testing.T
	in       *os.File
	answers  chan message
	session  string
	asked    int
	troubles []string // what the page has complained of: errors, violations of its policy, dialogs
	loaded   bool
}

type message struct {
	ID        int             `json:"id,omitempty"`
	Session   string          `json:"sessionId,omitempty"`
	Method    string          `json:"method,omitempty"`
	Params    json.RawMessage `json:"params,omitempty"`
	Result    json.RawMessage `json:"result,omitempty"`
	Error     json.RawMessage `json:"error,omitempty"`
	malformed error
}

// browserPatience is how long an answer may take before the test has failed, on a busy machine.
const browserPatience = 2 * time.Minute

// startBrowser runs Chromium until the test is over.
func startBrowser(t *testing.T) *browser {
	t.Helper()
	name := ""
	for _, candidate := range []string{"chromium-headless-shell", "chromium", "google-chrome"} {
		if path, err := exec.LookPath(candidate); err == nil {
			name = path
			break
		}
	}
	if name == "" {
		need.Skip(t, need.Chromium, "chromium or chromium-headless-shell")
	}
	toRead, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, toWrite, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	// As root, and in containers, there is no sandbox.
	cmd := exec.Command(name, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--disable-background-networking", "--remote-debugging-pipe", "--user-data-dir="+t.TempDir(), "about:blank")
	cmd.ExtraFiles = []*os.File{toRead, toWrite} // 3 and 4
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	toRead.Close()
	toWrite.Close()
	b := &browser{t: t, in: in, answers: make(chan message, 100)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer close(b.answers)
		r := bufio.NewReader(out)
		for {
			line, err := r.ReadBytes(0)
			if err != nil {
				return
			}
			var m message
			m.malformed = json.Unmarshal(line[:len(line)-1], &m)
			b.answers <- m
		}
	}()
	t.Cleanup(func() {
		in.Close() // which ends it
		stop := time.AfterFunc(10*time.Second, func() { cmd.Process.Kill() })
		for range b.answers {
		}
		<-ended
		if err := cmd.Wait(); err != nil && t.Failed() {
			t.Logf("%s: %v\n%s", name, err, said.String())
		}
		stop.Stop()
		out.Close()
	})
	var target struct{ TargetID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var session struct{ SessionID string }
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &session)
	b.session = session.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log"} {
		b.call(domain+".enable", nil, nil)
	}
	return b
}

// call asks the browser, and waits for the answer.
func (b *browser) call(method string, params map[string]any, result any) {
	b.t.Helper()
	b.asked++
	raw, err := json.Marshal(map[string]any{"id": b.asked, "sessionId": b.session, "method": method, "params": params})
	if b.session == "" {
		raw, err = json.Marshal(map[string]any{"id": b.asked, "method": method, "params": params})
	}
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.in.Write(append(raw, 0)); err != nil {
		b.t.Fatalf("%s: %v", method, err)
	}
	for {
		m := b.next(method)
		if m.ID != b.asked {
			continue
		}
		if m.Error != nil {
			b.t.Fatalf("%s: %s", method, m.Error)
		}
		if result != nil {
			if err := json.Unmarshal(m.Result, result); err != nil {
				b.t.Fatalf("%s: %v", method, err)
			}
		}
		return
	}
}

// next returns the next message, and takes note of what it tells of the page.
func (b *browser) next(awaited string) message {
	b.t.Helper()
	select {
	case m, ok := <-b.answers:
		if err := m.malformed; !ok || err != nil {
			b.t.Fatalf("%s: the browser has ended, or said what it should not: %v", awaited, err)
		}
		switch m.Method {
		case "Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded", "Page.javascriptDialogOpening":
			b.troubles = append(b.troubles, fmt.Sprintf("%s %s", m.Method, m.Params))
		case "Page.loadEventFired":
			b.loaded = true
		}
		return m
	case <-time.After(browserPatience):
		b.t.Fatalf("%s: no answer", awaited)
	}
	return message{}
}

// open loads a page from a file.
func (b *browser) open(file string) {
	b.t.Helper()
	b.loaded = false
	b.call("Page.navigate", map[string]any{"url": "file://" + file}, nil)
	for !b.loaded {
		b.next("load " + file)
	}
}

// eval evaluates an expression in the page, which may be a promise, into result.
func (b *browser) eval(expression string, result any) {
	b.t.Helper()
	var answer struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails json.RawMessage
	}
	b.call("Runtime.evaluate", map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true}, &answer)
	if answer.ExceptionDetails != nil {
		b.t.Fatalf("%s: %s", expression, answer.ExceptionDetails)
	}
	if result == nil {
		return
	}
	if err := json.Unmarshal(answer.Result.Value, result); err != nil {
		b.t.Fatalf("%s: %s: %v", expression, answer.Result.Value, err)
	}
}

// text evaluates an expression that is a string, number an integer.
func (b *browser) text(expression string) (s string) {
	b.t.Helper()
	b.eval(expression, &s)
	return s
}

func (b *browser) number(expression string) (n int) {
	b.t.Helper()
	b.eval(expression, &n)
	return n
}

// until waits for an expression to be true.
func (b *browser) until(condition string) {
	b.t.Helper()
	var done bool
	b.eval(fmt.Sprintf(`new Promise((done) => {
		const end = performance.now() + %d;
		const look = () => (%s) ? done(true) : performance.now() > end ? done(false) : setTimeout(look, 5);
		look();
	})`, browserPatience.Milliseconds()/2, condition), &done)
	if !done {
		b.t.Fatalf("it never comes true: %s", condition)
	}
}

// click presses the mouse on what a selector finds first.
func (b *browser) click(selector string) { b.mouse(selector, "mousePressed", "mouseReleased") }

// hover moves the mouse there.
func (b *browser) hover(selector string) { b.mouse(selector, "mouseMoved") }

// mouse makes events of the mouse in the middle of what a selector finds first.
func (b *browser) mouse(selector string, kinds ...string) {
	b.t.Helper()
	var at struct{ X, Y float64 }
	b.eval(fmt.Sprintf(`(() => {
		const shape = document.querySelector(%q);
		shape.scrollIntoView({ block: 'center' });
		// When the page has taken note that it was scrolled.
		return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => {
			const box = shape.getBoundingClientRect();
			done({ x: box.x + box.width / 2, y: box.y + box.height / 2 });
		})));
	})()`, selector), &at)
	for _, kind := range kinds {
		event := map[string]any{"type": kind, "x": at.X, "y": at.Y}
		if kind != "mouseMoved" {
			event["button"], event["clickCount"] = "left", 1
		}
		b.call("Input.dispatchMouseEvent", event, nil)
	}
}

// press presses a key.
func (b *browser) press(key string, code int) {
	b.t.Helper()
	for _, kind := range []string{"rawKeyDown", "keyUp"} {
		b.call("Input.dispatchKeyEvent", map[string]any{"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code}, nil)
	}
}

// filter types into the filter, and waits for the table.
func (b *browser) filter(text string) {
	b.t.Helper()
	b.eval(fmt.Sprintf(`(() => {
		const input = document.getElementById('filter');
		input.value = %s;
		input.dispatchEvent(new Event('input'));
		return new Promise((done) => setTimeout(done, 200));
	})()`, quoteJS(text)), nil)
}

func quoteJS(s string) string {
	raw, _ := json.Marshal(s)
	return string(raw)
}

// size makes the window that wide and high, in light or dark.
func (b *browser) size(width, height int, scheme string) {
	b.t.Helper()
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false}, nil)
	b.call("Emulation.setEmulatedMedia", map[string]any{"features": []any{map[string]any{"name": "prefers-color-scheme", "value": scheme}}}, nil)
}

// screenshot writes what is seen to a file below VMASNAP_TEST_SCREENSHOTS, if that is set.
func (b *browser) screenshot(name string) {
	b.t.Helper()
	dir := os.Getenv("VMASNAP_TEST_SCREENSHOTS")
	if dir == "" {
		return
	}
	var shot struct{ Data string }
	b.call("Page.captureScreenshot", map[string]any{"format": "png"}, &shot)
	raw, err := base64.StdEncoding.DecodeString(shot.Data)
	if err = errors.Join(err, os.WriteFile(dir+"/"+name+".png", raw, 0o600)); err != nil {
		b.t.Fatal(err)
	}
}

// calm fails the test if the page has complained of anything.
func (b *browser) calm() {
	b.t.Helper()
	for _, trouble := range b.troubles {
		b.t.Errorf("the page: %s", trouble)
	}
	b.troubles = nil
}

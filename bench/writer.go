package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// writer is a process that writes objects into a database for the benchmark, so that what this costs can
// be told from what the benchmark itself costs.
type writer struct {
	pid    int
	input  *json.Encoder
	output *bufio.Scanner
}

// written is an object on its way to the writer.
type written struct {
	Scope, Kind, ID string
	Value           []byte
}

// writer starts one until the end of the experiment.
func (r *run) writer(url string) (*writer, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "-write", url)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	r.atEnd(func() { _ = in.Close(); _ = cmd.Wait() }) // it ends when nothing more comes
	w := &writer{pid: cmd.Process.Pid, input: json.NewEncoder(in), output: bufio.NewScanner(out)}
	return w, nil
}

// write has the objects written and returns when they are.
func (w *writer) write(_ context.Context, objects []model.Object) error {
	list := []written{}
	for _, o := range objects {
		key := northbound.KeyOf(o)
		value, err := northbound.Encode(o)
		if err != nil {
			return err
		}
		list = append(list, written{string(key.Scope), key.Kind, key.ID, value})
	}
	if err := w.input.Encode(list); err != nil {
		return fmt.Errorf("writer: %w", err)
	}
	if !w.output.Scan() {
		return fmt.Errorf("the writer ended: %w", errors.Join(w.output.Err(), io.ErrUnexpectedEOF))
	}
	if answer := w.output.Text(); answer != "" {
		return errors.New(answer)
	}
	return nil
}

// serveWriter is the process: it reads lists of objects from its input and answers each with a line, empty
// or the error.
func serveWriter(ctx context.Context, url string) error {
	conn, err := openDatabase(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // everything is written
	store := northbound.NewStore(conn)
	in := json.NewDecoder(bufio.NewReader(os.Stdin))
	for {
		var list []written
		if err := in.Decode(&list); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		answer := ""
		if err := writeAll(ctx, store, list); err != nil {
			answer = fmt.Sprintf("%q", err.Error())
		}
		fmt.Println(answer)
	}
}

func writeAll(ctx context.Context, store *northbound.Store, list []written) error {
	var objects []model.Object
	for _, o := range list {
		object, err := northbound.Decode(db.Key{Scope: db.Scope(o.Scope), Kind: o.Kind, ID: o.ID}, o.Value)
		if err != nil {
			return err
		}
		objects = append(objects, object)
	}
	return write(ctx, store, objects)
}

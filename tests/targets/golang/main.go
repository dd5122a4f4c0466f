// SPDX-License-Identifier: Apache-2.0

// The hot function of a Go program, on the first goroutine or, with "goroutine", on another.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

type mill struct{ sum uint64 }

//go:noinline
func hot(value uint64) uint64 {
	for i := 0; i < 400000; i++ {
		value = value*6364136223846793005 + 1442695040888963407
	}
	return value
}

//go:noinline
func (m *mill) grind(value uint64) uint64 {
	m.sum += hot(value)
	return m.sum
}

//go:noinline
func work(deadline time.Time) uint64 {
	m := &mill{}
	for time.Now().Before(deadline) {
		m.grind(m.sum)
	}
	return m.sum
}

func main() {
	seconds := 1.0
	if len(os.Args) > 1 {
		seconds, _ = strconv.ParseFloat(os.Args[1], 64)
	}
	deadline := time.Now().Add(time.Duration(seconds * 1e9))
	if len(os.Args) > 2 && os.Args[2] == "goroutine" {
		done := make(chan uint64)
		go func() { done <- work(deadline) }()
		<-done
		fmt.Println("chain=main.hot;main.(*mill).grind;main.work;main.main.func1;runtime.goexit")
		return
	}
	work(deadline)
	fmt.Println("chain=main.hot;main.(*mill).grind;main.work;main.main;runtime.main;runtime.goexit")
}

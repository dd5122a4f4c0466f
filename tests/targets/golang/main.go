// SPDX-License-Identifier: Apache-2.0

// The hot function of a Go program, on the first goroutine or, with "goroutine", on another.
package main

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
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

func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

//go:noinline
func work(limit time.Duration) uint64 {
	m := &mill{}
	for cpuTime() < limit {
		m.grind(m.sum)
	}
	return m.sum
}

func main() {
	seconds := 1.0
	if len(os.Args) > 1 {
		seconds, _ = strconv.ParseFloat(os.Args[1], 64)
	}
	limit := time.Duration(seconds * 1e9)
	if len(os.Args) > 2 && os.Args[2] == "goroutine" {
		done := make(chan uint64)
		go func() { done <- work(limit) }()
		<-done
		say("main.hot;main.(*mill).grind;main.work;main.main.func1;runtime.goexit")
		return
	}
	work(limit)
	say("main.hot;main.(*mill).grind;main.work;main.main;runtime.main;runtime.goexit")
}

// The scheduler interrupts whoever runs long, by a signal: then the runtime is on top.
func say(chain string) {
	fmt.Println("chain=" + chain)
	fmt.Println("rare_chain=<runtime>;" + chain)
}

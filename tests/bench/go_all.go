// go_all.go - the same benches in Go, on one processor. Prints what bench.h
// describes.
package main

import (
	"fmt"
	"math/rand"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Nanoseconds of CPU of this process, user and system.
func cpu() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		panic("getrusage")
	}
	return float64(u.Utime.Nano() + u.Stime.Nano())
}

func resident() float64 {
	var size, pages float64
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		panic(err)
	}
	fmt.Sscan(string(text), &size, &pages)
	return pages * 4096
}

// Runs fn in `size` goroutines and waits for all.
func together(size int, fn func()) {
	var all sync.WaitGroup
	all.Add(size)
	for i := 0; i < size; i++ {
		go func() {
			fn()
			all.Done()
		}()
	}
	all.Wait()
}

func yieldPart(size, ops int) {
	together(size, func() {
		for i := 0; i < ops/size; i++ {
			runtime.Gosched()
		}
	})
}

func spawnPart(size, ops int) {
	for i := 0; i < ops; i += size {
		together(size, func() {})
	}
}

func rendezvousPart(size, ops int) {
	there, back := make(chan int), make(chan int)
	go func() {
		for item := range there {
			back <- item
		}
	}()
	for i := 0; i < ops; i++ {
		there <- i
		<-back
	}
	close(there)
}

func bufferedPart(size, ops int) {
	items := make(chan int, size)
	go func() {
		for i := 0; i < ops; i++ {
			items <- i
		}
		close(items)
	}()
	for range items {
	}
}

// Their birth is not in it.
func timers(name string, size, ops int) {
	var waiting, all sync.WaitGroup
	gate := make(chan struct{})
	waiting.Add(size)
	all.Add(size)
	for i := 0; i < size; i++ {
		go func() {
			waiting.Done()
			<-gate
			for i := 0; i < ops/size; i++ {
				time.Sleep(time.Duration(1+rand.Intn(100)) * time.Millisecond)
			}
			all.Done()
		}()
	}
	waiting.Wait()
	began := cpu()
	close(gate)
	all.Wait()
	fmt.Println(name, "ns", (cpu()-began)/float64(ops))
}

func idle(name string, count int) {
	var waiting, all sync.WaitGroup
	done := make(chan struct{})
	before, began := resident(), cpu()
	waiting.Add(count)
	all.Add(count)
	for i := 0; i < count; i++ {
		go func() {
			waiting.Done()
			<-done
			all.Done()
		}()
	}
	waiting.Wait()
	fmt.Println(name+"_spawn", "ns", (cpu()-began)/float64(count))
	fmt.Println(name+"_rss", "bytes", (resident()-before)/float64(count))
	began = cpu()
	close(done)
	all.Wait()
	fmt.Println(name+"_cancel", "ns", (cpu()-began)/float64(count))
}

type bench struct {
	name      string
	part      func(size, ops int)
	ops, size int
}

func main() {
	runtime.GOMAXPROCS(1)
	for _, b := range []bench{
		{"yield_2", yieldPart, 2000000, 2},
		{"yield_1000", yieldPart, 2000000, 1000},
		{"nursery_1", spawnPart, 400000, 1},
		{"spawn_1000", spawnPart, 400000, 1000},
		{"chan_rendezvous", rendezvousPart, 400000, 0},
		{"chan_buffered_128", bufferedPart, 3000000, 128},
		{"timers_100000_cpu", nil, 1000000, 100000},
		{"idle_10000", nil, 10000, 0},
		{"idle_100000", nil, 100000, 0},
		{"idle_1000000", nil, 1000000, 0},
	} {
		if os.Args[1] == "--list" {
			fmt.Println(b.name)
		}
		if os.Args[1] != b.name {
			continue
		}
		if len(os.Args) > 2 {
			b.ops, _ = strconv.Atoi(os.Args[2])
		}
		if strings.HasPrefix(b.name, "timers") {
			timers(b.name, b.size, b.ops)
			continue
		}
		if b.part == nil {
			idle(b.name, b.ops)
			continue
		}
		b.part(b.size, b.ops/20)
		began := cpu()
		b.part(b.size, b.ops)
		fmt.Println(b.name, "ns", (cpu()-began)/float64(b.ops))
	}
}

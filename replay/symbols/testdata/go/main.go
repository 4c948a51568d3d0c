package main

import "fmt"

type shape struct{ side int }

//go:noinline
func (s *shape) area(scale int) int { return s.side * s.side * scale }

//go:noinline
func twice[T int | float64](x T) T { return x + x }

func main() {
	s := &shape{3}
	defer func() { fmt.Println(twice(s.side)) }()
	fmt.Println(s.area(2), twice(1.5))
}

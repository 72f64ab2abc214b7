// Package endurance holds the tests of properties that a single request cannot
// show: that a change of policy fails no request and mixes no versions, that a
// body of any size passes in little memory, and that broken input takes nothing
// down. They run the real binary. By default they are short enough for every
// change; ENDURANCE=full runs them in the sizes that the project promises.
package endurance
